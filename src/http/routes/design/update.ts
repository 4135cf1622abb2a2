/** `_update/{name}` and `_update/{name}/{id}`: a function makes a document, which is written as any other. */
import { DatabaseError } from '../../../base/errors.ts'
import { requireFunction } from '../../../design/script-failure.ts'
import { withInlineAttachments } from '../../../documents/attachment-edit.ts'
import { asLocalDocument, interactiveEdit, readDocumentText } from '../../../documents/document-edit.ts'
import { isLocalId, requireIdFor, validateDocumentId } from '../../../documents/document-id.ts'
import type { Answer } from '../../answer/answer.ts'
import { functionAnswer } from '../../answer/function-answer.ts'
import { requireStillAllowed } from '../../request/access.ts'
import type { Exchange } from '../../request/exchange.ts'
import { toHeader } from '../../request/header-text.ts'
import { encodeComponent } from '../../request/path.ts'
import { writeLocalDocument, writeOne } from '../../request/writes.ts'
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

async function update(exchange: Exchange): Promise<Answer> {
  const { design } = openCalledDesign(exchange)
  const [name, ...idParts] = exchange.place.rest
  if (name === undefined) throw new DatabaseError('updateError')
  const id = calledId(idParts)
  requireFunction(design, ['updates', name])
  const request = await calledRequest(exchange, id)
  // Read behind the body, which takes as long as its client likes: the function is to see what is there now.
  const text = calledDocument(exchange, id)?.text ?? null
  const { scripting } = exchange.backend.designs
  const { document, response } = await outcomeOf(
    scripting.update(design, name, text, request, callOptions(exchange)),
  )
  const policy = functionPolicy(exchange)
  if (document === undefined) return functionAnswer(response, response.code, { policy })
  // What HTTP cannot say is refused before anything is written.
  functionAnswer(response, response.code, { policy })
  await requireStillAllowed(exchange)
  const written = await write(exchange, document)
  const own = {
    'x-couch-update-newrev': toHeader(written.rev) ?? '',
    'x-couch-id': encodeComponent(written.id),
  }
  return functionAnswer(response, response.hasCode ? response.code : 201, { own, policy })
}

/** As the user may. Throws what a write is refused with. */
async function write(exchange: Exchange, text: Uint8Array): Promise<{ id: string; rev: string }> {
  const document = await readDocumentText(exchange, text)
  const id = document.id ?? ''
  validateDocumentId(id, exchange.limits.maxIdBytes)
  if (isLocalId(id)) {
    const rev = await writeLocalDocument(exchange.database, interactiveEdit(asLocalDocument(document), id))
    return { id, rev }
  }
  requireIdFor(exchange.database, id)
  const edit = await withInlineAttachments(exchange, document, interactiveEdit(document, id))
  return { id, rev: await writeOne(exchange, edit, true) }
}

function refuseReading(exchange: Exchange): never {
  openCalledDesign(exchange)
  throw new DatabaseError('methodNotAllowed', 'Update functions do not allow GET')
}

export const updateResource: Resource = {
  route: 'design/_update',
  endpoint: 'owns-rest',
  body: 'function',
  allow: ANY_METHOD.filter((method) => method !== 'GET').join(','),
  methods: {
    ...Object.fromEntries(ANY_METHOD.map((method) => [method, update])),
    GET: refuseReading,
  },
}
