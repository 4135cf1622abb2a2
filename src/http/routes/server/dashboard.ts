import { DatabaseError } from '../../../base/errors.ts'
import { builtFolder } from '../../../web/web-folder.ts'
import { type Answer, bare, type Headers, json } from '../../answer/answer.ts'
import { DashboardFeed } from '../../feeds/dashboard-feed.ts'
import { fileAnswer, filePath, isWithoutSlash, noFile } from '../../pages/file-answer.ts'
import { requireSameUser } from '../../request/authentication.ts'
import type { Exchange, Service } from '../../request/exchange.ts'
import type { Resource } from '../resource.ts'

/** `/_dashboard/`: a page of our own, and what feeds it: `/_dashboard/events`, a stream, and `/_dashboard/map`. */

const PAGES = builtFolder('dashboard')

const HEADERS: Headers = {
  'cache-control': 'private, must-revalidate',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/** Made for the first who looks on. */
const FEEDS = new WeakMap<Service, DashboardFeed>()

async function dashboard(exchange: Exchange): Promise<Answer> {
  const { rest } = exchange.place
  if (rest.length === 1 && rest[0] === 'events') return events(exchange)
  if (rest.length === 1 && rest[0] === 'map') return fileMap(exchange)
  if (isWithoutSlash(exchange, '_dashboard')) {
    return bare(301, { location: exchange.absoluteUri('/_dashboard/') })
  }
  const file = await PAGES.find(filePath(exchange))
  return file === undefined ? noFile(HEADERS) : fileAnswer(exchange, file, HEADERS)
}

/** `/_dashboard/map?db=NAME`: where in the file of a database lies what. */
async function fileMap({ backend, query }: Exchange): Promise<Answer> {
  const name = query.get('db')
  if (name === undefined) throw new DatabaseError('badRequest', 'Expected a `db` parameter')
  return json(200, await backend.node.fileMap(name))
}

function events(exchange: Exchange): Answer {
  const { service } = exchange
  let feed = FEEDS.get(service)
  if (feed === undefined) {
    feed = new DashboardFeed(service)
    FEEDS.set(service, feed)
  }
  return feed.join(exchange, () => isStillAllowed(exchange))
}

/** Whether he would be let in now. */
async function isStillAllowed(exchange: Exchange): Promise<boolean> {
  try {
    await requireSameUser(exchange)
    return true
  } catch {
    return false
  }
}

export const dashboardResources: Resource[] = [
  { route: '_dashboard', endpoint: 'owns-rest', allow: 'GET,HEAD', methods: { GET: dashboard } },
]
