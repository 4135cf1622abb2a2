/** `_show/{name}` and `_show/{name}/{id}`: a document, or none, as a function shows it. */
import { DatabaseError } from '../../../base/errors.ts'
import { requireFunction } from '../../../design/script-failure.ts'
import { type Answer, bare } from '../../answer/answer.ts'
import { contentEtag } from '../../answer/etag.ts'
import { functionAnswer } from '../../answer/function-answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'
import {
  ANY_METHOD,
  calledDocument,
  calledId,
  calledRequest,
  callOptions,
  functionPolicy,
  openCalledDesign,
  outcomeOf,
} from './design-call.ts'

async function show(exchange: Exchange): Promise<Answer> {
  const { design, rev } = openCalledDesign(exchange)
  const [name, ...idParts] = exchange.place.rest
  if (name === undefined) throw new DatabaseError('showError')
  const id = calledId(idParts)
  const document = calledDocument(exchange, id)
  requireFunction(design, ['shows', name])
  const etag = showEtag(exchange, rev, document?.rev)
  if (exchange.matchesEtag(etag)) return bare(304, { etag })
  const request = await calledRequest(exchange, id)
  const { scripting } = exchange.backend.designs
  const response = await outcomeOf(
    scripting.show(design, name, document?.text ?? null, request, callOptions(exchange)),
  )
  return functionAnswer(response, response.code, {
    own: { etag, vary: 'Accept' },
    policy: functionPolicy(exchange),
  })
}

/** As in CouchDB, of the function, the document, who asks and what he takes; the query is not among it. */
function showEtag(exchange: Exchange, rev: string, document: string | undefined): string {
  const { name, roles } = exchange.user
  return contentEtag(rev, document ?? '', exchange.header('accept') ?? '', JSON.stringify([name, roles]))
}

export const showResource: Resource = {
  route: 'design/_show',
  endpoint: 'owns-rest',
  body: 'function',
  allow: ANY_METHOD.join(','),
  methods: Object.fromEntries(ANY_METHOD.map((method) => [method, show])),
}
