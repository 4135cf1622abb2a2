/**
 * The documents of `_replicator` databases: each is a replication that is to be done. They are looked at as canonical bytes:
 * a document may be megabytes long, and whoever may write one decides what is in it.
 */
import { createHash } from 'node:crypto'
import { runAtOnce, runInTurns } from '../../base/time-slice.ts'
import { SHORT_TEXT_BYTES, scanDocumentSteps } from '../../json/documents.ts'
import { exactNumber } from '../../json/lossless.ts'
import { walkMembers } from '../../json/members.ts'
import { parseSteps } from '../../json/value-steps.ts'
import { INTEGER_MEMBERS } from '../../replication/job-parser.ts'

export const REPLICATOR_DATABASE = '_replicator'

/** There may be any number of them: `_replicator`, and all names that end so. */
export function isReplicatorDatabase(name: string): boolean {
  return name === REPLICATOR_DATABASE || name.endsWith('/_replicator')
}

export const STATE = '_replication_state'
export const STATE_TIME = '_replication_state_time'
export const STATE_REASON = '_replication_state_reason'
export const STATE_STATISTICS = '_replication_stats'
export const STATE_ID = '_replication_id'

/** What a replication is made of. Other members are notes of whoever wrote the document. */
const MEANINGFUL: ReadonlySet<string> = new Set([
  'auth',
  'cancel',
  'checkpoint_interval',
  'connection_timeout',
  'continuous',
  'create_target',
  'create_target_params',
  'doc_ids',
  'filter',
  'http_connections',
  'owner',
  'proxy',
  'query_params',
  'retries_per_request',
  'selector',
  'since_seq',
  'socket_options',
  'source',
  'source_proxy',
  'target',
  'target_proxy',
  'use_bulk_get',
  'use_checkpoints',
  'user_ctx',
  'winning_revs_only',
  'worker_batch_size',
  'worker_processes',
])

const LONGEST_NAME = 64
/** Of a member that the server writes, and of one that is shown. */
const MOST_MEMBER_BYTES = 64 * 1024

function bufferOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

/** Calls `visit` with each member of a canonical object; names longer than any of ours are empty. */
function eachMember(
  text: Buffer,
  visit: (name: string, start: number, end: number, valueStart: number) => void,
): void {
  walkMembers(text, 0, (nameStart, nameEnd, valueStart, end) => {
    const isLong = nameEnd - nameStart - 2 > LONGEST_NAME
    visit(isLong ? '' : text.toString('utf8', nameStart + 1, nameEnd - 1), nameStart, end, valueStart)
  })
}

/** The values of the members of these names; a long one's is undefined. */
export function shortMembers(body: Uint8Array, names: ReadonlySet<string>): Record<string, unknown> {
  const text = bufferOf(body)
  const values: Record<string, unknown> = {}
  eachMember(text, (name, _start, end, valueStart) => {
    if (!names.has(name) || end - valueStart > MOST_MEMBER_BYTES) return
    values[name] = JSON.parse(text.toString('utf8', valueStart, end))
  })
  return values
}

/** Differs where a document's replication does. */
export function replicationDigest(body: Uint8Array): string {
  const text = bufferOf(body)
  const hash = createHash('sha256')
  eachMember(text, (name, start, end) => {
    if (MEANINGFUL.has(name)) hash.update(text.subarray(start, end)).update('\n')
  })
  return hash.digest('base64url')
}

/** The whole document as a value, its integers told from floats. */
export async function parsedDocument(body: Uint8Array): Promise<Record<string, unknown>> {
  const bytes = bufferOf(body)
  const text = bytes.toString('utf8')
  const value: unknown =
    text.length <= SHORT_TEXT_BYTES ? JSON.parse(text) : await runInTurns(parseSteps(text))
  const members = value as Record<string, unknown>
  eachMember(bytes, (name, _start, end, valueStart) => {
    if (INTEGERS.has(name))
      members[name] = exactNumber(members[name], bytes.toString('utf8', valueStart, end))
  })
  return members
}

const INTEGERS: ReadonlySet<string> = new Set(INTEGER_MEMBERS)

/** The body with these members in the end, in their order, in the place of those that it has; undefined takes one away. */
export function withMembers(body: Uint8Array, members: Readonly<Record<string, unknown>>): Buffer {
  const text = bufferOf(body)
  const parts: Buffer[] = []
  eachMember(text, (name, start, end) => {
    if (!Object.hasOwn(members, name)) parts.push(text.subarray(start, end))
  })
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) parts.push(Buffer.from(`${JSON.stringify(name)}:${JSON.stringify(value)}`))
  }
  return Buffer.concat([Buffer.from('{'), ...separated(parts), Buffer.from('}')])
}

/** A body that was changed, as it is stored. */
export async function storedForm(body: Buffer): Promise<{ body: Buffer; term: Buffer }> {
  const steps = scanDocumentSteps(body)
  const scanned = body.length <= SHORT_TEXT_BYTES ? runAtOnce(steps) : await runInTurns(steps)
  return { body: scanned!.body, term: scanned!.term }
}

const COMMA = Buffer.from(',')

function separated(parts: readonly Buffer[]): Buffer[] {
  return parts.flatMap((part, at) => (at === 0 ? [part] : [COMMA, part]))
}

const ENDPOINTS: ReadonlySet<string> = new Set(['source', 'target'])
const PROXIES: ReadonlySet<string> = new Set(['proxy', 'source_proxy', 'target_proxy'])

/** The body as others than its owner see it: without what signs in anywhere. */
export function withoutCredentials(body: Uint8Array): Buffer {
  const text = bufferOf(body)
  const parts: Buffer[] = []
  eachMember(text, (name, start, end, valueStart) => {
    if (!ENDPOINTS.has(name) && !PROXIES.has(name)) {
      parts.push(text.subarray(start, end))
      return
    }
    const isLong = end - valueStart > MOST_MEMBER_BYTES
    const value: unknown = isLong ? null : JSON.parse(text.toString('utf8', valueStart, end))
    parts.push(Buffer.from(`${JSON.stringify(name)}:${JSON.stringify(withoutSecrets(value))}`))
  })
  return Buffer.concat([Buffer.from('{'), ...separated(parts), Buffer.from('}')])
}

/** Of an endpoint only what is no place for credentials stays. */
function withoutSecrets(value: unknown): unknown {
  if (typeof value === 'string') return urlWithoutCredentials(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const { headers: _headers, auth: _auth, ...rest } = value as Record<string, unknown>
  return Object.fromEntries(
    Object.entries(rest).map(([name, each]) => [
      name,
      typeof each === 'string' ? urlWithoutCredentials(each) : each,
    ]),
  )
}

/** Everything before the last `@` of what is the host's part, or looks like it. */
export function urlWithoutCredentials(url: string): string {
  const found = /^([a-z][a-z0-9+.-]*:[/\\]*)([^/?#]*)(.*)$/is.exec(url)
  if (found === null) return url
  const [, scheme, authority, rest] = found
  return `${scheme}${authority!.slice(authority!.lastIndexOf('@') + 1)}${rest}`
}
