/**
 * A document of `_users` that comes with a `password` is stored with the hash of it instead, as in CouchDB: before
 * anything else sees the document, and on every way in. What holds: no password reaches the disk.
 */
import type { Caller } from '../auth/hash-queue.ts'
import type { PasswordHash, PasswordHasher } from '../auth/password-hash.ts'
import { DatabaseError } from '../base/errors.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { runAtOnce, runInTurns } from '../base/time-slice.ts'
import type { PasswordRule } from '../config/auth-settings.ts'
import type { DocumentEdit } from '../database/api/database.ts'
import { SHORT_TEXT_BYTES, scanDocumentSteps } from '../json/documents.ts'
import { walkMembers } from '../json/members.ts'
import { SelectorBudget } from '../selector/budget.ts'
import { compileRegex } from '../selector/regex.ts'
import { MOST_MEMBER_BYTES, memberTexts } from './user-document.ts'

export interface PasswordHashing {
  readonly hasher: Pick<PasswordHasher, 'hash'>
  /** Of new hashes. */
  readonly iterations: number
  readonly random: RandomBytes
  /** What a password has to match. */
  readonly rules: readonly PasswordRule[]
  readonly log: Pick<Log, 'error'>
}

const PASSWORD = new Set(['password'])
/** What a hash is stored as, in the order in which CouchDB writes it. */
const HASH_MEMBERS: ReadonlySet<string> = new Set([
  'password_scheme',
  'pbkdf2_prf',
  'salt',
  'iterations',
  'derived_key',
])

/**
 * The edit as it is to be stored. Rejects with forbidden for a password that is no text, as `requireRules` throws, and as `PasswordHasher.hash` does;
 * what it costs is the caller's. Local documents and design documents stay as they are.
 */
export async function withHashedPassword(
  edit: DocumentEdit,
  { hasher, iterations, random, rules, log }: PasswordHashing,
  caller?: Caller,
): Promise<DocumentEdit> {
  if (edit.id.startsWith('_')) return edit
  const text = memberTexts(edit.body, PASSWORD).get('password')
  if (text === undefined || text === 'null') return edit
  if (text.length > MOST_MEMBER_BYTES) throw new DatabaseError('forbidden', 'The password is too long.')
  const password: unknown = JSON.parse(text)
  if (typeof password !== 'string') {
    throw new DatabaseError('forbidden', `Password value of '${text}' is invalid.`)
  }
  requireRules(password, rules, log)
  return withHash(edit, await hasher.hash(password, iterations, random, caller))
}

/**
 * Throws badRequest for a password that does not match all rules, in CouchDB's words, and forbidden where a rule cannot be
 * asked: whoever wrote it wanted some passwords not to be taken.
 */
function requireRules(password: string, rules: readonly PasswordRule[], log: Pick<Log, 'error'>): void {
  for (const { pattern, reason } of rules) {
    let isMatch: boolean
    try {
      const budget = new SelectorBudget()
      isMatch = budget.measure(() => compileRegex(pattern)(password, budget))
    } catch (error) {
      log.error('a rule of [chttpd_auth] password_regexp cannot be used', { reason: describeError(error) })
      throw new DatabaseError('forbidden', 'Server cannot hash passwords at this time.')
    }
    if (isMatch) continue
    const unmet = 'Password does not conform to requirements.'
    throw new DatabaseError('badRequest', reason === undefined ? unmet : `${unmet} ${reason}`)
  }
}

/** The edit with this hash, and without any other and without a password. */
export async function withHash<E extends Pick<DocumentEdit, 'body' | 'term'>>(
  edit: E,
  hash: PasswordHash,
): Promise<E> {
  const { prf, salt, iterations, derivedKey } = hash
  const members = { pbkdf2_prf: prf, salt, iterations, derived_key: derivedKey }
  const head = JSON.stringify({ password_scheme: 'pbkdf2', ...members })
  const body = Buffer.from(edit.body.buffer, edit.body.byteOffset, edit.body.byteLength)
  const parts: Buffer[] = [Buffer.from(head.slice(0, -1))]
  walkMembers(body, 0, (nameStart, nameEnd, _start, end) => {
    const name = body.toString('latin1', nameStart + 1, Math.min(nameEnd - 1, nameStart + 32))
    if (HASH_MEMBERS.has(name) || name === 'password' || name === 'password_sha') return
    parts.push(Buffer.from(','), body.subarray(nameStart, end))
  })
  parts.push(Buffer.from('}'))
  const text = Buffer.concat(parts)
  const steps = scanDocumentSteps(text)
  const scanned = text.length <= SHORT_TEXT_BYTES ? runAtOnce(steps) : await runInTurns(steps)
  return { ...edit, body: scanned!.body, term: scanned!.term }
}
