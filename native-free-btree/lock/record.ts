/**
 * What a lock file holds: one line of JSON that says who owns it. Claims (see lock.ts) hold the same.
 *
 * | field | meaning |
 * |---|---|
 * | version | 1 |
 * | bootId, pidNamespace, pid, startTime | the owner, see process-identity.ts |
 * | token | 32 random hexadecimal digits, never used twice |
 * | socket | name of the owner's liveness socket in the same folder, or null if it has none |
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { StorageError } from '../errors.ts'

export const LOCK_VERSION = 1

export interface LockRecord {
  readonly version: number
  readonly bootId: string | null
  readonly pidNamespace: string | null
  readonly pid: number
  readonly startTime: string | null
  readonly token: string
  readonly socket: string | null
}

/**
 * What was read of a lock or claim: its owner, or garbage, for which a token is made of its name and its bytes
 * (two files that were both left empty must not pass for one).
 */
export interface ReadLock {
  readonly token: string
  readonly record: LockRecord | null
}

const TOKEN_PATTERN = /^[0-9a-f]{32}$/
const SOCKET_PATTERN = /^\.lock-[0-9a-f]{16}\.socket$/

export function encodeLock(record: LockRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`)
}

/**
 * Reads a lock file's bytes. A lock appears under its name complete or not at all, so what cannot be read was
 * left by a crash of the machine, not by a writer that is still at it. A lock of a later version is not garbage:
 * throws LOCKED.
 */
export function decodeLock(bytes: Buffer, path: string): ReadLock {
  const record = parseRecord(bytes, path)
  if (record !== null) return { token: record.token, record }
  return {
    token: createHash('sha256')
      .update(`${basename(path)}\n`)
      .update(bytes)
      .digest('hex')
      .slice(0, 32),
    record: null,
  }
}

function parseRecord(bytes: Buffer, path: string): LockRecord | null {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const { version, bootId, pidNamespace, pid, startTime, token, socket } = value as Record<string, unknown>
  if (typeof version === 'number' && version > LOCK_VERSION) {
    const message = `${path} was written by a later version of this software; stop that first.`
    throw new StorageError('LOCKED', message, { lockPath: path, version })
  }
  if (version !== LOCK_VERSION || typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0)
    return null
  if (!isTextOrNull(bootId) || !isTextOrNull(pidNamespace) || !isTextOrNull(startTime)) return null
  if (typeof token !== 'string' || !TOKEN_PATTERN.test(token)) return null
  if (socket !== null && (typeof socket !== 'string' || !SOCKET_PATTERN.test(socket))) return null
  return { version, bootId, pidNamespace, pid, startTime, token, socket }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
