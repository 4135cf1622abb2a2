import { type Answer, bare, taggedJson } from '../../answer/answer.ts'
import { contentEtag } from '../../answer/etag.ts'
import { DESCRIPTIONS } from '../../openapi/descriptions.ts'
import { openApiDocument } from '../../openapi/document.ts'
import type { Exchange } from '../../request/exchange.ts'
import { type Resource, withNothingBelow } from '../resource.ts'

/** The document as it is sent. */
interface Text {
  readonly version: string
  readonly bytes: Buffer
  readonly etag: string
}

/**
 * `/_openapi.json`: all routes, which `all` names once it is asked. Open to everybody: it says what the documentation
 * says, nothing of this server's data or settings.
 */
export function openApiResources(all: () => readonly Resource[]): Resource[] {
  let made: Text | undefined
  const openApi = (exchange: Exchange): Answer => {
    const { version } = exchange.service.options
    if (made?.version !== version) made = textOf(all(), version)
    const { bytes, etag } = made
    return exchange.matchesEtag(etag) ? bare(304, { etag }) : taggedJson(200, bytes, etag)
  }
  return [
    withNothingBelow({
      route: '_openapi.json',
      endpoint: 'owns-rest',
      allow: 'GET,HEAD',
      methods: { GET: openApi },
    }),
  ]
}

function textOf(resources: readonly Resource[], version: string): Text {
  const bytes = Buffer.from(`${JSON.stringify(openApiDocument(resources, DESCRIPTIONS, version))}\n`)
  return { version, bytes, etag: contentEtag(bytes) }
}
