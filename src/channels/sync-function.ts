/**
 * A database's sync function: what it says of a revision. It runs in the sandbox, where nobody's turn waits for it. What it
 * says is checked here: nothing that comes back from the sandbox is trusted.
 */
import { Design } from '../scripting/design.ts'
import { ScriptError } from '../scripting/script-error.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { SyncOutput } from './document-state.ts'
import { GatewayError } from './gateway-error.ts'
import { ALL_CHANNELS, isChannelName, isPrincipalName, ROLE_PREFIX } from './names.ts'
import { syncDesignText } from './sync-script.ts'

/** Who writes, as the function may require him to be; null for an administrator. */
export interface SyncUser {
  name: string
  roles: readonly string[]
  channels: readonly string[]
}

/** Texts of JSON. */
export interface SyncInput {
  document: Uint8Array
  /** Undefined for a new document. */
  before: Uint8Array | undefined
  user: SyncUser | null
}

/** What a database without a function has. */
export const DEFAULT_SYNC = 'function (doc, oldDoc) { channel(doc.channels); }'

const REQUIRES = /\brequire(?:User|Role|Access)\b/
const REQUIRES_RIGHTS = /\brequire(?:Role|Access)\b/
const NULL = Buffer.from('null')
const NEW = Buffer.from('{"new":')
const OLD = Buffer.from(',"old":')
const NOBODY = Buffer.from(',"user":null}')

function exception(cause?: unknown): GatewayError {
  return new GatewayError(500, 'Exception in JS sync function', { cause })
}

export class SyncFunction {
  readonly #scripting: Scripting
  readonly #design: Design
  /** It can look at who writes, so that what it says of him may be outdated. */
  readonly asksForUser: boolean
  /** It can look at what he has been granted, which documents decide too. */
  readonly asksForRights: boolean
  readonly source: string

  /** `owner` is the database, whose share of the threads this is. */
  constructor(scripting: Scripting, source: string, owner: string) {
    this.#scripting = scripting
    this.source = source
    this.#design = new Design(syncDesignText(source), owner)
    this.asksForUser = REQUIRES.test(source)
    this.asksForRights = REQUIRES_RIGHTS.test(source)
  }

  /** Rejects with a GatewayError where the function refuses the revision, fails or says what makes no sense. */
  async run({ document, before, user }: SyncInput, signal?: AbortSignal): Promise<SyncOutput> {
    const request = Buffer.concat([
      NEW,
      document,
      OLD,
      before ?? NULL,
      user === null ? NOBODY : Buffer.from(`,"user":${JSON.stringify(user)}}`),
    ])
    const options = signal === undefined ? {} : { signal }
    const said = await this.#scripting.rewrite(this.#design, request, options).catch((error: unknown) => {
      if (!(error instanceof ScriptError)) throw error
      if (error.kind === 'busy' || error.kind === 'cancelled') throw new GatewayError(503, error.reason)
      throw exception(error)
    })
    return outputOf(said ?? {})
  }
}

function outputOf(said: unknown): SyncOutput {
  const { rejection, channels, access, roles } = said as Record<string, unknown>
  if (Array.isArray(rejection)) throw new GatewayError(Number(rejection[0]), String(rejection[1]))
  const names = namesOf(channels)
  return {
    channels: names.has(ALL_CHANNELS) ? [ALL_CHANNELS] : [...names],
    access: grantsOf(access, ''),
    roles: grantsOf(roles, ROLE_PREFIX),
  }
}

function namesOf(list: unknown): Set<string> {
  if (!Array.isArray(list)) throw exception()
  for (const name of list) if (typeof name !== 'string' || !isChannelName(name)) throw exception()
  return new Set(list as string[])
}

/** Each granted name must begin with `prefix`, which is taken away. */
function grantsOf(list: unknown, prefix: string): Map<string, string[]> {
  if (!Array.isArray(list)) throw exception()
  const grants = new Map<string, Set<string>>()
  for (const [name, values] of list as [string, unknown][]) {
    const known = grants.get(name) ?? new Set()
    for (const value of namesOf(values)) {
      if (!value.startsWith(prefix)) throw exception()
      if (value !== ALL_CHANNELS) known.add(value.slice(prefix.length))
    }
    grants.set(name, known)
  }
  for (const [name, values] of grants) {
    const bare = prefix === '' && name.startsWith(ROLE_PREFIX) ? name.slice(ROLE_PREFIX.length) : name
    const areNames = prefix === '' || [...values].every(isPrincipalName)
    if (!isPrincipalName(bare) || !areNames) throw new GatewayError(500, 'Error in JS sync function')
  }
  return new Map(
    [...grants].filter(([, values]) => values.size > 0).map(([name, values]) => [name, [...values]]),
  )
}

/** Functions by the database that they are of, made once as long as the text is the same. The oldest goes beyond a number. */
export class SyncFunctions {
  readonly #scripting: Scripting
  readonly #most: number
  readonly #byOwner = new Map<string, SyncFunction>()

  constructor(scripting: Scripting, most = 200) {
    this.#scripting = scripting
    this.#most = most
  }

  get(owner: string, source: string): SyncFunction {
    const known = this.#byOwner.get(owner)
    this.#byOwner.delete(owner)
    const found = known?.source === source ? known : new SyncFunction(this.#scripting, source, owner)
    this.#byOwner.set(owner, found)
    const [oldest] = this.#byOwner.keys()
    if (this.#byOwner.size > this.#most) this.#byOwner.delete(oldest!)
    return found
  }
}
