/** Parts of the document that no route changes: who may call, how he says who he is, headers of answers. */
import type { Right } from '../request/rights.ts'
import type { HeaderName } from './description.ts'
import { type Schema, string } from './schema.ts'

/** In words. */
export const RIGHTS: Readonly<Record<Right, string>> = {
  open: 'For everybody.',
  'signed-in': 'For whoever has signed in.',
  metrics: 'For administrators of the server, and the role `_metrics`.',
  member: 'For members of the database.',
  insider: 'For members of the database; in the server’s own databases for their administrators.',
  lister: 'For members of the database; in the server’s own databases for administrators of the server.',
  writer: 'For members of the database; design documents are for its administrators.',
  settings: 'For administrators of the database.',
  'database-admin': 'For administrators of the database.',
  'server-admin': 'For administrators of the server.',
}

export const SECURITY_SCHEMES = {
  basic: { type: 'http', scheme: 'basic' },
  cookie: { type: 'apiKey', in: 'cookie', name: 'AuthSession', description: 'As `POST /_session` gives it.' },
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'Where `[chttpd] authentication_handlers` has `jwt_authentication_handler`.',
  },
} as const

const NAMED: readonly Record<string, readonly string[]>[] = Object.keys(SECURITY_SCHEMES).map((name) => ({
  [name]: [],
}))

/** What even those may do who say nothing of who they are: in a database that is open to everybody. */
const PUBLIC: ReadonlySet<Right> = new Set<Right>(['open', 'member', 'insider', 'lister', 'writer'])

/** Any of them will do; an empty one is for those who say nothing. */
export function schemesFor(right: Right): readonly Record<string, readonly string[]>[] {
  return PUBLIC.has(right) ? [{}, ...NAMED] : NAMED
}

function header(description: string): { description: string; schema: Schema } {
  return { description, schema: string() }
}

export const HEADERS: Readonly<Record<HeaderName, { description: string; schema: Schema }>> = {
  ETag: header('Of what is answered: `If-None-Match` takes it.'),
  Location: header('Where it is.'),
  'Set-Cookie': header('The cookie `AuthSession`.'),
  'Content-Range': header('Which bytes they are, and of how many.'),
}
