import { DatabaseError } from '../../../base/errors.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import { requireContentType } from '../../request/body.ts'
import type { Exchange } from '../../request/exchange.ts'
import { isTrue } from '../../request/parameters.ts'
import type { Resource } from '../resource.ts'

/** What runs, and what would. */

/** With `history=true` those that have ended, the last first. */
async function activeTasks(exchange: Exchange): Promise<Answer> {
  const { tasks } = exchange.backend
  return json(200, await (isTrue(exchange.query.get('history')) ? tasks.history() : tasks.list()))
}
/** `/_active_tasks/{pid}`: asks the task to end. */
async function cancelTask(exchange: Exchange): Promise<Answer> {
  const [pid] = exchange.place.rest
  if (pid === undefined) {
    throw new DatabaseError('methodNotAllowed', 'Only GET,HEAD allowed', { headers: { allow: 'GET,HEAD' } })
  }
  if (!(await exchange.backend.tasks.cancel(pid))) throw new DatabaseError('missing')
  return ok(202)
}

/** CouchDB ends its processes for that. An engine here is of one revision of a design document, and never has an older text. */
function reloadQueryServers(exchange: Exchange): Answer {
  requireContentType(exchange.header('content-type'), 'application/json')
  return ok()
}

export const tasksResources: Resource[] = [
  {
    route: '_active_tasks',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: activeTasks, DELETE: cancelTask },
  },
  {
    route: '_reload_query_servers',
    endpoint: 'owns-rest',
    allow: 'POST',
    methods: { POST: reloadQueryServers },
  },
]
