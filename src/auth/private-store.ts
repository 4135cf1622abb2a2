/**
 * `DATA/private.json` (mode 0600): what the server must remember and nobody may read. One JSON object,
 * `{version: 1, uuid, secret, admins: [{name, source, prf, salt, iterations, derivedKey}]}`. It holds hashes,
 * never passwords. It is replaced as a whole; one that cannot be read stops the start, because making a new one
 * would quietly change the server's identity and its administrators.
 */
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeDurably } from '../base/durable-file.ts'
import { hasCode } from '../base/node-error.ts'
import { type RandomBytes, randomHex } from '../base/random.ts'
import { ConfigError } from '../config/ini.ts'
import { isPasswordHash, type PasswordHash } from './password-hash.ts'

export interface StoredAdmin {
  readonly name: string
  /** 'generated': its password was made by the server. 'configured': it stands while it is configured. */
  readonly source: 'generated' | 'configured'
  readonly hash: PasswordHash
}

export interface PrivateState {
  /** The server's own, 32 hex digits. */
  readonly uuid: string
  /** Keys the session cookies. */
  readonly secret: string
  readonly admins: readonly StoredAdmin[]
}

export class PrivateStore {
  readonly #path: string
  #state: PrivateState

  private constructor(path: string, state: PrivateState) {
    this.#path = path
    this.#state = state
  }

  /** Opens the store of a data folder; a new one is kept only by the first `save`. Throws ConfigError. */
  static async open(dataDir: string, random: RandomBytes): Promise<PrivateStore> {
    const path = join(dataDir, 'private.json')
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      const uuid = randomHex(random, 16)
      return new PrivateStore(path, { uuid, secret: randomHex(random, 32), admins: [] })
    }
    await chmod(path, 0o600)
    return new PrivateStore(path, decode(text, path))
  }

  get state(): PrivateState {
    return this.#state
  }

  /** Durable when it resolves. */
  async save(state: PrivateState): Promise<void> {
    const admins = state.admins.map(({ name, source, hash }) => ({ name, source, ...hash }))
    const { uuid, secret } = state
    await writeDurably(this.#path, `${JSON.stringify({ version: 1, uuid, secret, admins })}\n`)
    this.#state = state
  }
}

function decode(text: string, path: string): PrivateState {
  const fail = (): never => {
    throw new ConfigError(`${path} is damaged; restore it, or remove it to have new secrets made`)
  }
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch {
    return fail()
  }
  const { version, uuid, secret, admins } = value ?? {}
  if (version !== 1 || typeof uuid !== 'string' || typeof secret !== 'string' || secret.length < 16) fail()
  if (!Array.isArray(admins)) return fail()
  const decoded = admins.map((admin: Record<string, unknown> | null): StoredAdmin => {
    const { name, source, prf, salt, iterations, derivedKey } = admin ?? {}
    const hash = { prf, salt, iterations, derivedKey }
    if (typeof name !== 'string' || !isPasswordHash(hash)) return fail()
    if (source !== 'generated' && source !== 'configured') return fail()
    return { name, source, hash }
  })
  return { uuid: uuid as string, secret: secret as string, admins: decoded }
}
