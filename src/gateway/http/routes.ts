/**
 * The gateway's routes. A path is split before it is decoded; what fits none is `unknown URL`, on the public address also
 * what is the administrators' alone.
 */
import { badRequest } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import * as admin from './admin-routes.ts'
import type { Answer } from './answer.ts'
import * as bulk from './bulk-routes.ts'
import { changes } from './changes-routes.ts'
import * as database from './database-routes.ts'
import * as design from './design-routes.ts'
import * as document from './document-routes.ts'
import type { Exchange } from './exchange.ts'
import * as oidc from './oidc-routes.ts'
import * as session from './session-routes.ts'
import * as social from './social-routes.ts'

export type Handler = (exchange: Exchange) => Promise<Answer>

/**
 * Who may ask: `open`, also without being signed in; `unsigned`, and what is said of who asks is for somebody else; `free`,
 * without that the database is there.
 */
export type Access = 'signed in' | 'open' | 'unsigned' | 'free'

export interface Route {
  readonly methods: Readonly<Record<string, Handler>>
  readonly access: Access
  /** It answers while the database is offline. */
  readonly isAlways: boolean
  /** Whether a database has it, by its name. Undefined: each has. */
  readonly isThere?: ((gateway: Gateway, name: string) => boolean) | undefined
}

/** A path that is spelled with a slash at its end, or without, where the other is meant, is sent there with the methods that are there. */
export type Resolved = { route: Route; params: string[]; redirect?: string } | undefined

interface RouteOptions {
  access?: Access
  isAlways?: boolean
  isThere?: Route['isThere']
}

const ORDER = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE']

function route(
  methods: Record<string, Handler>,
  { access = 'signed in', isAlways = false, isThere }: RouteOptions = {},
): Route {
  const all = methods['GET'] === undefined ? methods : { ...methods, HEAD: methods['GET'] }
  return { methods: all, access, isAlways, isThere }
}

/** As the header Allow has them. */
export function methodsOf({ methods }: Route): string {
  return ORDER.filter((name) => name in methods).join(', ')
}

/** Without HEAD: GET alone. */
function getOnly(handler: Handler, options: RouteOptions = {}): Route {
  return { ...route({}, options), methods: { GET: handler } }
}

const ROOT = route({ GET: database.welcome }, { access: 'free', isAlways: true })
const ADMIN_DATABASES = route({ GET: admin.getDatabases }, { access: 'free', isAlways: true })
const DATABASE = route({ GET: database.getDatabase, POST: document.postDocument }, { isAlways: true })
const PUT_DATABASE = route({ PUT: database.putPublicDatabase }, { access: 'free', isAlways: true })
const PUBLIC_DATABASE: Route = { ...DATABASE, methods: { ...DATABASE.methods, ...PUT_DATABASE.methods } }
const ADMIN_DATABASE = route(
  {
    GET: database.getDatabase,
    POST: document.postDocument,
    PUT: admin.putDatabase,
    DELETE: admin.deleteDatabase,
  },
  { isAlways: true },
)

const DOCUMENT = route({
  GET: document.getDocument,
  PUT: document.putDocument,
  DELETE: document.deleteDocument,
})
const ATTACHMENT = route({ GET: document.getAttachment, PUT: document.putAttachment })
const LOCAL = route({
  GET: document.getLocalDocument,
  PUT: document.putLocalDocument,
  DELETE: document.deleteLocalDocument,
})
const DESIGN = route({ GET: design.getDesign, PUT: design.putDesign, DELETE: design.deleteDesign })
const VIEW = route({ GET: design.getView })

/** By the path behind the database; a `*` stands for any one name, which is a parameter. */
const PUBLIC: Readonly<Record<string, Route>> = {
  _all_docs: route({ GET: bulk.getAllDocs, POST: bulk.postAllDocs }),
  _bulk_docs: route({ POST: bulk.postBulkDocs }),
  _bulk_get: route({ POST: bulk.postBulkGet }),
  _changes: route({ GET: changes, POST: changes }),
  _revs_diff: route({ POST: bulk.postRevsDiff }),
  _ensure_full_commit: route({ POST: database.ensureFullCommit }),
  '_local/*': LOCAL,
  '_design/*': DESIGN,
  '_design/*/_view/*': VIEW,
}

const PUBLIC_ONLY: Readonly<Record<string, Route>> = {
  _session: route(
    { GET: session.getSession, POST: session.postSession, DELETE: session.deleteSession },
    { access: 'open' },
  ),
  _facebook: route({ POST: social.postFacebook }, { access: 'open', isThere: social.signsInBy('facebook') }),
  _google: route({ POST: social.postGoogle }, { access: 'open', isThere: social.signsInBy('google') }),
  _oidc: getOnly(oidc.begin, { access: 'open' }),
  _oidc_challenge: getOnly(oidc.challenge, { access: 'open' }),
  _oidc_callback: getOnly(oidc.callback, { access: 'open' }),
  _oidc_refresh: getOnly(oidc.refresh, { access: 'open' }),
  '_oidc_testing/.well-known/openid-configuration': getOnly(oidc.testingConfiguration, {
    access: 'unsigned',
  }),
  '_oidc_testing/authorize': route({ GET: oidc.testingAuthorize }, { access: 'unsigned' }),
  '_oidc_testing/authenticate': route(
    { GET: oidc.testingAuthenticate, POST: oidc.testingAuthenticate },
    { access: 'unsigned' },
  ),
  '_oidc_testing/token': route({ POST: oidc.testingToken }, { access: 'unsigned' }),
  '_oidc_testing/certs': getOnly(oidc.testingCertificates, { access: 'unsigned' }),
}

const ADMIN_ONLY: Readonly<Record<string, Route>> = {
  _session: route({ GET: session.getSession, POST: session.postAdminSession }),
  '_session/*': route({ GET: session.getAdminSession, DELETE: session.deleteAdminSession }),
  '_raw/*': route({ GET: document.getRawDocument }),
  '_user/': route({ GET: admin.USERS.list, POST: admin.USERS.post }),
  '_user/*': route({ GET: admin.USERS.read, PUT: admin.USERS.put, DELETE: admin.USERS.remove }),
  '_user/*/_session': route({ DELETE: session.deleteUserSessions }),
  '_user/*/_session/*': route({ DELETE: session.deleteUserSession }),
  '_role/': route({ GET: admin.ROLES.list, POST: admin.ROLES.post }),
  '_role/*': route({ GET: admin.ROLES.read, PUT: admin.ROLES.put, DELETE: admin.ROLES.remove }),
  _config: route({ GET: admin.getConfig, PUT: admin.putConfig }, { isAlways: true }),
  _resync: route({ GET: admin.getResync, POST: admin.postResync }, { isAlways: true }),
  _offline: route({ POST: admin.offline }, { isAlways: true }),
  _online: route({ POST: admin.online }, { isAlways: true }),
  _purge: route({ POST: admin.purge }),
  _compact: route({ POST: admin.compact }),
  _vacuum: route({ POST: admin.vacuum }),
}

const PUBLIC_ROUTES = { ...PUBLIC, ...PUBLIC_ONLY }
const ADMIN_ROUTES = { ...PUBLIC, ...ADMIN_ONLY }
/** What a path means. `path` is as it came, without the query. Throws 400 for what cannot be decoded. */
export function resolve(path: string, isAdmin: boolean): Resolved {
  const found = resolveExactly(path, isAdmin)
  if (found !== undefined) return found
  const redirect = path.endsWith('/') ? path.slice(0, -1) : `${path}/`
  const meant = path.endsWith('//') ? undefined : resolveExactly(redirect, isAdmin)
  return meant && { ...meant, redirect }
}

function resolveExactly(path: string, isAdmin: boolean): Resolved {
  const [, first, ...rest] = path.split('/')
  if (first === undefined || (first === '' && rest.length === 0)) return { route: ROOT, params: [] }
  if (first.startsWith('_')) {
    return isAdmin && first === '_all_dbs' && rest.length === 0
      ? { route: ADMIN_DATABASES, params: [] }
      : undefined
  }
  if (first === '' || rest.length === 0) return undefined
  const name = decoded(first)
  if (rest.length === 1 && rest[0] === '') {
    return { route: isAdmin ? ADMIN_DATABASE : PUBLIC_DATABASE, params: [name] }
  }
  if (rest[0]!.startsWith('_')) return special(name, rest, isAdmin)
  if (rest.length === 1) return { route: DOCUMENT, params: [name, decoded(rest[0]!)] }
  const attachment = rest.slice(1).join('/')
  return attachment === ''
    ? undefined
    : { route: ATTACHMENT, params: [name, decoded(rest[0]!), decoded(attachment)] }
}

/** `_local%2Fx` is `_local/x`, as is `_design%2Fx`: clients that encode ids do not always look at them. */
function special(name: string, given: readonly string[], isAdmin: boolean): Resolved {
  const rest = [...given[0]!.split(/%2f/i), ...given.slice(1)]
  const routes: Readonly<Record<string, Route>> = isAdmin ? ADMIN_ROUTES : PUBLIC_ROUTES
  const whole = rest.join('/')
  if (Object.hasOwn(routes, whole) && !whole.includes('*')) return { route: routes[whole]!, params: [name] }
  const pattern = rest.map((each, at) => (at % 2 === 1 ? '*' : each)).join('/')
  const params = rest.filter((_, at) => at % 2 === 1)
  if (!Object.hasOwn(routes, pattern) || params.some((each) => each === '')) return undefined
  const values = params.map(decoded)
  // A local document has no slash in its name, however it is written.
  if (values.some((value) => value.includes('/')) && rest[0] === '_local') return undefined
  return { route: routes[pattern]!, params: [name, ...values] }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw badRequest('The path cannot be decoded')
  }
}
