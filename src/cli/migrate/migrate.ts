/**
 * `davenport migrate`: a database, or all of a server, from one server to another, be they davenport or Apache CouchDB. One
 * database after the other; what fails in one keeps none of the others from going. Nothing is kept but in the target and in the
 * checkpoints of both, so that it can be ended and started again.
 */
import { describeError } from '../../base/log.ts'
import type { ProgressLine } from '../../base/progress-line.ts'
import { ConfigError } from '../../config/ini.ts'
import type { ReplicationOutcome, RunningReplication } from '../../replication/api.ts'
import { parseJob } from '../../replication/job-parser.ts'
import { type Console, EXIT, type Parts } from '../parts.ts'
import { progressOf } from '../progress.ts'
import {
  type Comparison,
  DatabaseMigration,
  type DatabaseSide,
  MigrationError,
  type Plan,
  refused,
} from './database-migration.ts'
import type { MigrationParts } from './peer.ts'

export interface MigrateFlags {
  all?: boolean
  continuous?: boolean
  'dry-run'?: boolean
  json?: boolean
}

/** A side as it was named: of a database, or of a server. */
interface Side extends DatabaseSide {
  /** Of a database within the server. */
  database(name: string): DatabaseSide
}

/** Of the server, and what is not for another one. */
const NOT_MIGRATED = new Set(['_replicator', '_global_changes', '_dbs', '_nodes'])

/** Resolves with the exit status: 1 where a database differs, or could not be migrated. */
export async function migrate(
  sourceUrl: string,
  targetUrl: string,
  flags: MigrateFlags,
  parts: Parts,
  console: Console,
): Promise<number> {
  const { environment } = console
  const source = sideOf(sourceUrl, environment['DAVENPORT_MIGRATE_SOURCE'], 'SOURCE')
  const target = sideOf(targetUrl, environment['DAVENPORT_MIGRATE_TARGET'], 'TARGET')
  const migration = await parts.openMigration(console.environment)
  const ending = new AbortController()
  const detach = console.onStopSignal(() => {
    if (ending.signal.aborted) console.exit(EXIT.failure)
    ending.abort(new MigrationError('ended; start it again to go on from here'))
  })
  try {
    const command = new Command({ source, target, flags, migration, console, ending })
    return await command.run()
  } finally {
    detach()
    await migration.close()
  }
}

/** Throws ConfigError. */
function sideOf(url: string, credentials: string | undefined, what: string): Side {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new ConfigError(`${what} must be a URL like http://name:password@host:5984/database`)
  }
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
    throw new ConfigError(`${what} must be a URL of http or https`)
  }
  const auth = authOf(parsed, credentials, what)
  parsed.username = ''
  parsed.password = ''
  const bare = parsed.href.replace(/\/$/, '')
  return { url: bare, auth, database: (name) => ({ url: `${bare}/${encodeURIComponent(name)}`, auth }) }
}

function authOf({ username, password }: URL, credentials: string | undefined, what: string): Side['auth'] {
  if (credentials === undefined) {
    if (username === '') return undefined
    return { basic: { username: decodeURIComponent(username), password: decodeURIComponent(password) } }
  }
  const colon = credentials.indexOf(':')
  if (colon < 1) throw new ConfigError(`DAVENPORT_MIGRATE_${what} must be name:password`)
  return { basic: { username: credentials.slice(0, colon), password: credentials.slice(colon + 1) } }
}

interface CommandOptions {
  source: Side
  target: Side
  flags: MigrateFlags
  migration: MigrationParts
  console: Console
  ending: AbortController
}

class Command {
  readonly #options: CommandOptions

  constructor(options: CommandOptions) {
    this.#options = options
  }

  get #isEnded(): boolean {
    return this.#options.ending.signal.aborted
  }

  async run(): Promise<number> {
    const { flags, console } = this.#options
    const names = await this.#names()
    const failed: string[] = []
    for (const name of names) {
      if (this.#isEnded) break
      if (!(await this.#isDone(name))) failed.push(name)
    }
    if (flags.continuous === true && flags['dry-run'] !== true && !this.#isEnded) {
      failed.push(...(await this.#follow(names.filter((name) => !failed.includes(name)))))
    }
    if (this.#isEnded && flags.continuous !== true) console.err('davenport: ended; start it again to go on\n')
    if (flags.all === true && flags.json !== true) this.#tellAll(names.length, failed)
    const isWhole = failed.length === 0 && (!this.#isEnded || flags.continuous === true)
    return isWhole ? EXIT.ok : EXIT.failure
  }

  #tellAll(count: number, failed: readonly string[]): void {
    const { console, flags } = this.#options
    const what = flags['dry-run'] === true ? 'could be looked at' : 'are equal'
    console.out(`${count - failed.length} of ${count} databases ${what}\n`)
    if (failed.length > 0) console.out(`look at: ${failed.join(', ')}\n`)
  }

  /** The empty name is the one database that the URLs name. */
  async #names(): Promise<string[]> {
    const { flags, migration, source, ending } = this.#options
    if (flags.all !== true) return ['']
    const { url, auth } = source
    const { source: place } = parseJob(
      { source: { url, auth }, target: { url, auth } },
      ADMIN,
      migration.defaults,
    )
    if (place.kind !== 'remote') throw new MigrationError('SOURCE must be a URL')
    const peer = migration.open(place)
    try {
      const reply = await peer.call({ method: 'GET', path: '_all_dbs' }, ending.signal)
      if (reply.status !== 200 || !Array.isArray(reply.value)) throw refused('the source', reply)
      return (reply.value as string[]).filter((name) => !NOT_MIGRATED.has(name))
    } finally {
      peer.close()
    }
  }

  #open(name: string, onProgress: (phase: string, done: number, total: number) => void): DatabaseMigration {
    const { source, target, migration: parts, ending } = this.#options
    return new DatabaseMigration({
      name: name === '' ? decodeURIComponent(source.url.slice(source.url.lastIndexOf('/') + 1)) : name,
      source: name === '' ? { url: source.url, auth: source.auth } : source.database(name),
      target: name === '' ? { url: target.url, auth: target.auth } : target.database(name),
      parts,
      signal: ending.signal,
      onProgress,
    })
  }

  #shown(name: string): string {
    return name === '' ? this.#options.source.url.replace(/^.*\//, '') : name
  }

  /** What came out of a database: for people, or as one line of JSON. */
  #tell(name: string, text: string, result: object): void {
    const { console, flags } = this.#options
    const database = this.#shown(name)
    console.out(
      flags.json === true ? `${JSON.stringify({ database, ...result })}\n` : `${database}: ${text}\n`,
    )
  }

  /** Never rejects. */
  async #isDone(name: string): Promise<boolean> {
    const { console, flags } = this.#options
    const progress = new Progress(console, this.#shown(name))
    try {
      const database = this.#open(name, progress.tell)
      try {
        const plan = await database.plan()
        if (flags['dry-run'] === true) {
          this.#tell(name, planText(plan), { plan })
          return true
        }
        return await this.#migrate(name, database, plan, progress)
      } finally {
        progress.end()
        database.close()
      }
    } catch (error) {
      console.err(`davenport: ${this.#shown(name)}: ${describeError(error)}\n`)
      if (flags.json === true) this.#tell(name, '', { error: describeError(error) })
      return false
    }
  }

  async #migrate(
    name: string,
    database: DatabaseMigration,
    plan: Plan,
    progress: Progress,
  ): Promise<boolean> {
    await database.prepare(plan)
    requireWhole(await database.replicate(plan))
    progress.end()
    const comparison = await database.compare(plan)
    progress.end()
    this.#tell(name, comparisonText(comparison), comparison)
    return comparison.isEqual
  }

  /** Goes on until it is told to end, then catches up and compares once more. Resolves with those that differ. */
  async #follow(names: readonly string[]): Promise<string[]> {
    const { console, ending } = this.#options
    const databases = names.map((name) => ({ name, database: this.#open(name, () => undefined) }))
    const running: RunningReplication[] = []
    const failed = new Set<string>()
    try {
      for (const { name, database } of databases) {
        const replication = await database.begin(true)
        running.push(replication)
        void replication.ended.then((outcome) => {
          if (outcome.kind !== 'failed') return
          failed.add(name)
          console.err(`davenport: ${this.#shown(name)}: ${failureText(outcome)}\n`)
        })
      }
      if (this.#options.flags.json !== true)
        console.out(`following ${names.length === 1 ? 'it' : `${names.length} databases`}; Ctrl-C ends it\n`)
      if (!this.#isEnded) await new Promise((resolve) => ending.signal.addEventListener('abort', resolve))
    } finally {
      await Promise.all(running.map((each) => each.stop()))
      for (const { database } of databases) database.close()
    }
    const last = new Command({
      ...this.#options,
      flags: { ...this.#options.flags, continuous: false },
      ending: new AbortController(),
    })
    for (const name of names) if (!(await last.#isDone(name))) failed.add(name)
    return [...failed]
  }
}

const ADMIN = { name: null, roles: ['_admin'] } as const

/** A bar for each phase. */
class Progress {
  readonly #console: Console
  readonly #name: string
  #line: ProgressLine | undefined
  #phase: string | undefined

  constructor(console: Console, name: string) {
    this.#console = console
    this.#name = name
  }

  readonly tell = (phase: string, done: number, total: number): void => {
    if (phase !== this.#phase) {
      this.end()
      this.#phase = phase
      this.#line = progressOf(this.#console, `${this.#name}: ${phase}`, 'documents')
    }
    this.#line?.update(done, total)
  }

  end(): void {
    this.#line?.end()
    this.#line = undefined
    this.#phase = undefined
  }
}

function planText({ documents, deleted, isPartitioned, isMissing, copiesSecurity }: Plan): string {
  const kind = isPartitioned ? 'partitioned, ' : ''
  const steps = [
    isMissing ? 'would be made' : 'is there',
    ...(copiesSecurity ? ['would get its _security'] : []),
  ]
  return `${kind}${documents} documents, ${deleted} deleted; at the target it ${steps.join(' and ')}`
}

function comparisonText({ source, target, isEqual }: Comparison): string {
  const text = ({ documents, deleted, leaves, digest }: Comparison['source']): string =>
    `${documents} documents, ${deleted} deleted, ${leaves} leaf revisions, trees ${digest.slice(0, 16)}`
  return isEqual ? `equal: ${text(source)}` : `DIFFERENT: source ${text(source)}; target ${text(target)}`
}

/** Throws MigrationError. */
function requireWhole(outcome: ReplicationOutcome): void {
  if (outcome.kind === 'stopped') throw new MigrationError('ended; start it again to go on from here')
  if (outcome.kind === 'failed') throw new MigrationError(failureText(outcome))
  const { doc_write_failures: failures } = outcome.progress
  if (failures > 0) throw new MigrationError(`the target refused ${failures} documents`)
}

function failureText({ failure }: Extract<ReplicationOutcome, { kind: 'failed' }>): string {
  return `${failure.error}: ${failure.reason}`
}
