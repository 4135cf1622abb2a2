import { DatabaseError } from '../../base/errors.ts'
import type { Answer } from '../answer/answer.ts'
import type { BodyKind } from '../request/body-limits.ts'
import type { Exchange } from '../request/exchange.ts'
import type { Declared } from '../request/resolve.ts'
import type { RouteName } from '../request/rights.ts'

export type Handler = (exchange: Exchange) => Answer | Promise<Answer>

/** What a route does for each method. */
export interface Methods {
  /** The methods as CouchDB lists them in a 405. */
  allow: string
  methods: Readonly<Record<string, Handler>>
}

/** A route: where it is, and what it does. Who may call it is in the table of rights, under its name. */
export interface Resource extends Declared, Methods {
  route: RouteName
  /** What a body is taken for, which bounds it; default a setting. May depend on the method. */
  body?: BodyKind | Readonly<Record<string, BodyKind>>
}

export function bodyKindOf({ body = 'setting' }: Resource, method: string): BodyKind {
  return typeof body === 'string' ? body : (body[method] ?? 'setting')
}

/** The same route, which is missing where more parts are behind its name. */
export function withNothingBelow(resource: Resource): Resource {
  const methods = Object.entries(resource.methods).map(([method, handler]): [string, Handler] => [
    method,
    (exchange) => {
      if (exchange.place.rest.length > 0) return missing()
      return handler(exchange)
    },
  ])
  return { ...resource, methods: Object.fromEntries(methods) }
}

/** What is asked for is not there, though its kind is. */
export function missing(): never {
  throw new DatabaseError('missing')
}

/** Throws methodNotAllowed, with Allow. */
export function handlerOf(resource: Methods, method: string): Handler {
  const handler = Object.hasOwn(resource.methods, method) ? resource.methods[method] : undefined
  if (handler !== undefined) return handler
  throw new DatabaseError('methodNotAllowed', `Only ${resource.allow} allowed`, {
    headers: { allow: resource.allow },
  })
}

/** An endpoint of a feature that is not there says so, whatever the method. */
export function absent(route: RouteName, feature: string): Resource {
  return refusing(route, () => {
    throw new DatabaseError('notImplemented', `${feature} is not implemented`)
  })
}

/** An endpoint that has one answer to every method. */
export function refusing(route: RouteName, refuse: () => never): Resource {
  const methods = Object.fromEntries(
    ['GET', 'POST', 'PUT', 'DELETE', 'COPY', 'PATCH', 'OPTIONS'].map((method) => [method, refuse]),
  )
  return { route, endpoint: 'owns-rest', allow: Object.keys(methods).join(','), methods }
}
