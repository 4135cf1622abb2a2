/**
 * Update sequences as clients see them: `N-opaque`. N is the number of the change. The opaque part is 16
 * url-safe characters: 12 that name the database's incarnation (the first 9 bytes of a hash of its uuid, in
 * base64url), then 4 that bind N to it (24 bits mixed from N and the hash). A client that hands back a
 * sequence of another incarnation (the database was deleted and made again) is thereby recognised and
 * starts at 0: it sees changes again that it knows, and never misses one that it does not.
 */
import { createHash } from 'node:crypto'
import { DatabaseError } from '../base/errors.ts'

const SHAPE = /^(\d{1,16})(?:-([\w-]*))?$/

/** Murmur3's finaliser: every bit of the input reaches every bit of the result. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Writes and reads the sequences of one incarnation of a database. */
export class SequenceCodec {
  readonly #incarnation: string
  readonly #seed: number

  constructor(uuid: string) {
    const hash = createHash('sha256').update(uuid).digest()
    this.#incarnation = hash.toString('base64url', 0, 9)
    this.#seed = hash.readUInt32LE(9)
  }

  #opaque(seqNumber: number): string {
    const low = mix((seqNumber >>> 0) ^ this.#seed)
    const mixed = mix(low ^ Math.floor(seqNumber / 0x1_0000_0000))
    const check = Buffer.from([mixed & 0xff, (mixed >>> 8) & 0xff, (mixed >>> 16) & 0xff])
    return this.#incarnation + check.toString('base64url')
  }

  format(seqNumber: number): string {
    return `${seqNumber}-${this.#opaque(seqNumber)}`
  }

  /**
   * The number to start after. A sequence of another incarnation, or one beyond `current`, gives 0; a plain
   * number is taken as it is (old clients), `now` is `current`. Throws bad_request for anything else.
   */
  parse(since: string | number, current: number): number {
    if (since === 'now') return current
    const parts = SHAPE.exec(String(since))
    if (parts === null) {
      throw new DatabaseError('badRequest', "Malformed sequence supplied in 'since' parameter.")
    }
    const seqNumber = Number(parts[1])
    const foreign = parts[2] !== undefined && parts[2] !== this.#opaque(seqNumber)
    return foreign || seqNumber > current ? 0 : seqNumber
  }
}
