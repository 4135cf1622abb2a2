import { DatabaseError } from '../../../base/errors.ts'
import { type Answer, json, ok } from '../../answer/answer.ts'
import type { Exchange } from '../../request/exchange.ts'
import { isTrue } from '../../request/parameters.ts'
import { parseViewParameters } from '../../request/view-parameters.ts'
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
/** Nothing replicates, so nothing is scheduled: the lists are empty, and every document of them is missing. */
function scheduler(exchange: Exchange): Answer {
  const [list, ...path] = exchange.place.rest
  if (list !== 'jobs' && list !== 'docs') return json(404, { error: 'not found' })
  if (path.length > 0) {
    const known = list === 'jobs' || path[0]!.endsWith('_replicator')
    throw known ? new DatabaseError('missing') : new DatabaseError('badRequest', 'Invalid path')
  }
  parseViewParameters(exchange.query)
  return json(200, { total_rows: 0, offset: 0, [list]: [] })
}
function searchAnalyze(): never {
  throw new DatabaseError('serviceUnavailable', 'Search is not available')
}

export const tasksResources: Resource[] = [
  {
    route: '_active_tasks',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: activeTasks, DELETE: cancelTask },
  },
  {
    route: '_scheduler',
    endpoint: 'owns-rest',
    allow: 'GET,HEAD',
    methods: { GET: scheduler },
  },
  {
    route: '_search_analyze',
    endpoint: 'owns-rest',
    allow: 'POST',
    methods: { POST: searchAnalyze },
  },
]
