/** Media types by the endings of names, as CouchDB's web server has them; scripts and texts are UTF-8. */
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css',
  eot: 'application/vnd.ms-fontobject',
  gif: 'image/gif',
  html: 'text/html',
  ico: 'image/x-icon',
  js: 'application/javascript',
  json: 'application/json',
  png: 'image/png',
  svg: 'image/svg+xml',
  ttf: 'application/x-font-ttf',
  woff: 'application/x-font-woff',
}

export function mediaTypeOf(path: string): string {
  const ending = path.slice(path.lastIndexOf('.') + 1)
  return Object.hasOwn(TYPES, ending) ? TYPES[ending]! : 'text/plain'
}
