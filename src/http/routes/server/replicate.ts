import { DatabaseError } from '../../../base/errors.ts'
import { INTEGER_MEMBERS, requireShallow } from '../../../replication/job-parser.ts'
import { type Answer, json } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import { withExactNumbers } from '../../request/exact-members.ts'
import type { Exchange } from '../../request/exchange.ts'
import { goneSignal } from '../../request/gone-signal.ts'
import type { Resource } from '../resource.ts'

/**
 * `/_replicate`: begins a replication with the rights of whoever asks, and answers at its end, or at once where it has none. It goes on
 * when who waits for it has gone.
 */
async function replicate(exchange: Exchange): Promise<Answer> {
  if (exchange.place.rest.length > 0) return notAllowed()
  requireContentType(exchange.header('content-type'), 'application/json')
  const asked = await exchange.json.object()
  // Before it goes to another thread.
  requireShallow(asked)
  const exact = await withExactNumbers(exchange, asked, INTEGER_MEMBERS)
  const { replications } = exchange.backend
  const { status, body } = await replications.request(exact, exchange.user, goneSignal(exchange))
  return json(status, body)
}

/** CouchDB looks for a body before it looks at the method. */
function get(exchange: Exchange): Answer {
  if (exchange.place.rest.length > 0) return notAllowed()
  throw new DatabaseError('badRequest', 'Missing request body')
}

function notAllowed(): never {
  throw new DatabaseError('methodNotAllowed', 'Only POST allowed', { headers: { allow: 'POST' } })
}

export const replicateResources: Resource[] = [
  {
    route: '_replicate',
    endpoint: 'owns-rest',
    body: 'names',
    allow: 'POST',
    methods: { POST: replicate, GET: get },
  },
]
