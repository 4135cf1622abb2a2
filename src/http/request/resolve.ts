/**
 * From the parts of a path to the name of a route. CouchDB decides by position and by names that begin with
 * an underscore, after splitting and before decoding; a router that matches decoded patterns would take
 * `a%2Fb` for two parts, refuse `%FF`, and limit the length of ids. So the request's target is resolved here,
 * and the framework's router is given the fixed name that results (`rewriteUrl`).
 */
export interface Place {
  /** The name under which a route is registered. */
  route: string
  /** Decoded; undefined on the server's own endpoints. */
  database?: string | undefined
  /** A document's id, its `_design/` or `_local/` included. */
  id?: string | undefined
  /** What follows the document's id or the endpoint's name, decoded. */
  rest: readonly string[]
}

/**
 * How an endpoint is found, which is by its name: `alone`, where more parts behind it make the path that of a database or
 * of a document; `owns-rest`, with whatever is behind it; `owns-database`, where the part behind it names its database.
 */
export type EndpointKind = 'alone' | 'owns-rest' | 'owns-database'

/** What is known here of a route from its declaration. */
export interface Declared {
  /**
   * Its name. An endpoint's is its path, in which `db` stands for the database: `_up`, `db/_changes`,
   * `db/_all_docs/queries`; `design` stands for a design document of a database: `design/_show`. One of the server may have
   * two parts: `_dashboard/api`.
   */
  route: string
  /** Undefined for what is found by its position: databases, documents, attachments. */
  endpoint?: EndpointKind
}

interface Endpoint {
  readonly route: string
  readonly kind: EndpointKind
}

/** The declared endpoints, by the part of a path that names them. */
export interface Endpoints {
  /** By the first part. Other names there are of databases. */
  readonly server: ReadonlyMap<string, Endpoint>
  /** By the first part and the second one. */
  readonly below: ReadonlyMap<string, ReadonlyMap<string, Endpoint>>
  /** By the part behind the database. */
  readonly database: ReadonlyMap<string, Endpoint>
  /** By that part and the one behind it, which is the last. */
  readonly nested: ReadonlyMap<string, ReadonlyMap<string, Endpoint>>
  /** By the part behind a design document's name. */
  readonly design: ReadonlyMap<string, Endpoint>
}

export function endpointsOf(declarations: Iterable<Declared>): Endpoints {
  const server = new Map<string, Endpoint>()
  const below = new Map<string, Map<string, Endpoint>>()
  const database = new Map<string, Endpoint>()
  const nested = new Map<string, Map<string, Endpoint>>()
  const design = new Map<string, Endpoint>()
  for (const { route, endpoint: kind } of declarations) {
    if (kind === undefined) continue
    const [first, second, third] = route.split('/')
    if (first === 'design') design.set(second!, { route, kind })
    else if (second === undefined) server.set(first!, { route, kind })
    else if (first !== 'db') below.set(first!, (below.get(first!) ?? new Map()).set(second, { route, kind }))
    else if (third === undefined) database.set(second, { route, kind })
    else nested.set(second, (nested.get(second) ?? new Map()).set(third, { route, kind }))
  }
  return { server, below, database, nested, design }
}

const NOTHING: readonly string[] = []

/** `method` matters only where CouchDB looks at it: redirects of escaped design documents. */
export function resolve(endpoints: Endpoints, method: string, segments: readonly string[]): Place {
  const database = segments[0]
  if (database === undefined) return { route: 'welcome', rest: NOTHING }
  if (segments.length > 1 && database.startsWith('_')) {
    const below = endpoints.below.get(database)?.get(segments[1]!)
    if (below !== undefined && (segments.length === 2 || below.kind !== 'alone')) {
      return { route: below.route, rest: segments.slice(2) }
    }
  }
  const endpoint = endpoints.server.get(database)
  if (endpoint !== undefined) {
    const { route, kind } = endpoint
    if (segments.length > 1 && kind === 'owns-database') {
      return { route, database: segments[1], rest: segments.slice(2) }
    }
    if (segments.length === 1 || kind !== 'alone') return { route, rest: segments.slice(1) }
  }
  const second = segments[1]
  if (second === undefined) return { route: 'database', database, rest: NOTHING }
  const rest = segments.length === 2 ? NOTHING : segments.slice(2)
  return resolveInside(endpoints, method, database, second, rest)
}

function resolveInside(
  endpoints: Endpoints,
  method: string,
  database: string,
  second: string,
  rest: readonly string[],
): Place {
  if (second.startsWith('_')) {
    const endpoint = endpoints.database.get(second)
    if (endpoint !== undefined && (rest.length === 0 || endpoint.kind !== 'alone')) {
      return { route: endpoint.route, database, rest }
    }
    const nested = rest.length === 1 ? endpoints.nested.get(second)?.get(rest[0]!) : undefined
    if (nested !== undefined) return { route: nested.route, database, rest }
    if (second === '_design' && rest.length > 0) return resolveDesign(endpoints, database, rest)
    if (second === '_local' || second === '_local/') return resolveLocal(database, second, rest)
    if (second.startsWith('_design/') && method === 'GET')
      return { route: 'db/design-redirect', database, rest }
    if (second.startsWith('_local/') && rest.length === 0) {
      return { route: 'db/local', database, id: second, rest }
    }
  }
  return { route: rest.length === 0 ? 'db/document' : 'db/attachment', database, id: second, rest }
}

function resolveDesign(endpoints: Endpoints, database: string, parts: readonly string[]): Place {
  const id = `_design/${parts[0]}`
  const rest = parts.slice(1)
  if (rest.length === 0) return { route: 'db/document', database, id, rest }
  const endpoint = endpoints.design.get(rest[0]!)
  if (endpoint !== undefined) return { route: endpoint.route, database, id, rest: rest.slice(1) }
  return { route: 'db/attachment', database, id, rest }
}

function resolveLocal(database: string, second: string, rest: readonly string[]): Place {
  if (second === '_local/' || rest.length === 0) return { route: 'db/local-nameless', database, rest }
  if (rest.length === 1) return { route: 'db/local', database, id: `_local/${rest[0]}`, rest: NOTHING }
  return { route: 'db/local-attachment', database, rest }
}
