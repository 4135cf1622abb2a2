import type { WebFile } from '../../web/web-folder.ts'
import { type Answer, bare, type Headers } from '../answer/answer.ts'
import type { Exchange } from '../request/exchange.ts'

/** A file as an answer, or 304 to who has it. `headers` go with both. */
export function fileAnswer(exchange: Exchange, file: WebFile, headers: Headers): Answer {
  const { etag, length, type } = file
  const modified = new Date(file.modifiedMs).toUTCString()
  const validators = { ...headers, etag, 'last-modified': modified }
  if (isKnown(exchange, etag, modified)) return bare(304, validators)
  return {
    kind: 'streamed',
    status: 200,
    headers: { ...validators, 'content-type': type, 'content-length': String(length) },
    pieces: file.bytes(),
  }
}

/** The time counts where the client knows no tag. A client that repeats what it was told has the file, as in CouchDB. */
function isKnown(exchange: Exchange, etag: string, modified: string): boolean {
  if (exchange.header('if-none-match') !== undefined) return exchange.matchesEtag(etag)
  return exchange.header('if-modified-since') === modified
}

/** As CouchDB's web server says that there is no such file. */
export function noFile(headers: Headers): Answer {
  return {
    kind: 'whole',
    status: 404,
    headers: { ...headers, 'content-type': 'text/plain' },
    body: 'Not found.',
  }
}

/** The file that a path names behind the name of its route; a folder's is its `index.html`. */
export function filePath({ place, rawTarget }: Pick<Exchange, 'place' | 'rawTarget'>): string {
  const isFolder = rawTarget.split('?', 1)[0]!.endsWith('/')
  return [...place.rest, ...(isFolder || place.rest.length === 0 ? ['index.html'] : [])].join('/')
}

/** Whether it is the bare name of a page, whose files are below it. */
export function isWithoutSlash(exchange: Exchange, name: string): boolean {
  return exchange.place.rest.length === 0 && exchange.rawTarget.split('?', 1)[0]!.endsWith(name)
}
