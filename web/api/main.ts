/** Shows `/_openapi.json` by Swagger UI, which the page has loaded before this. */
type SwaggerUi = (options: Readonly<Record<string, unknown>>) => unknown

declare const SwaggerUIBundle: SwaggerUi

/** The colours of the viewer's dark form, which it has no switch for without its frame. */
const dark = matchMedia('(prefers-color-scheme: dark)')

function followColours(): void {
  document.documentElement.classList.toggle('dark-mode', dark.matches)
}

const url = new URL('../../_openapi.json', location.href).href

interface Api {
  readonly info: { description: string }
  readonly paths: Readonly<Record<string, Record<string, unknown>>>
}

interface Loaded {
  readonly url: string
  text: string
}

/** The viewer walks over all of the document before it shows anything: what HEAD answers stands in it at GET, too. */
function withoutHead(loaded: Loaded): Loaded {
  if (loaded.url !== url) return loaded
  const api = JSON.parse(loaded.text) as Api
  for (const path of Object.values(api.paths)) if ('get' in path) delete path['head']
  api.info.description += '\n\nWhere there is GET there is HEAD, which is answered without a body.'
  loaded.text = JSON.stringify(api)
  return loaded
}

followColours()
dark.addEventListener('change', followColours)

SwaggerUIBundle({
  dom_id: '#api',
  url,
  responseInterceptor: withoutHead,
  deepLinking: true,
  docExpansion: 'none',
  filter: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  operationsSorter: 'alpha',
  persistAuthorization: false,
  // It would send the document to a server of its maker's.
  validatorUrl: null,
})
