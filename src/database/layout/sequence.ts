/**
 * Update sequences as clients see them: `N-opaque`. N is the number of the change. The opaque part is 12
 * url-safe characters: the token of the epoch that N belongs to (6 bytes in base64url), then 4 characters
 * that bind N to the token.
 *
 * An epoch begins with the first change after an opening and has a random token. So a file that was put back
 * from a copy, and a database that was deleted and made again, give other tokens than the one that is gone,
 * even for the same numbers: a client that hands back a sequence of a lost history is recognised and starts
 * at 0. It sees changes again that it knows, and never misses one that it does not.
 *
 * The record of epochs (`meta`, key `epochs`): for each, oldest first, u48 the last number before it, and its
 * token of 6 bytes. When there are too many, the older half becomes one with a new token: sequences as old
 * as that start at 0.
 */
import { writeDigits } from '../../base/digits.ts'
import { DatabaseError } from '../../base/errors.ts'
import type { RandomBytes } from '../../base/random.ts'

const SHAPE = /^(\d{1,16})(?:-([\w-]*))?$/
const TOKEN_BYTES = 6
const NUMBER_BYTES = 6
const MOST_EPOCHS = 256
/** Of a sequence: the digits of a number, a dash and the opaque part. */
export const MOST_SEQUENCE_BYTES = 16 + 1 + 12

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const DIGIT_BYTES = Buffer.from(DIGITS)
const DASH = 0x2d
/** By twelve bits: two digits of base64url. */
const DIGIT_PAIRS = Array.from({ length: 4096 }, (_, bits) => DIGITS[bits >>> 6]! + DIGITS[bits & 63]!)

interface Epoch {
  /** The last number before it. */
  after: number
  token: string
  tokenBytes: Uint8Array
  seed: number
}

/** Murmur3's finaliser: every bit of the input reaches every bit of the result. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function epochOf(after: number, token: Buffer): Epoch {
  const text = token.toString('base64url')
  return { after, token: text, tokenBytes: Buffer.from(text), seed: token.readUInt32LE(0) }
}

/** What binds a number to an epoch: 24 bits, of which each six are a digit. */
function checkOf(epoch: Epoch, seqNumber: number): number {
  const low = mix((seqNumber >>> 0) ^ epoch.seed)
  const mixed = mix(low ^ Math.floor(seqNumber / 0x1_0000_0000))
  // Base64 of the three lowest bytes, the lowest one first.
  return ((mixed & 0xff) << 16) | (mixed & 0xff00) | ((mixed >>> 16) & 0xff)
}

function opaque(epoch: Epoch, seqNumber: number): string {
  const check = checkOf(epoch, seqNumber)
  return epoch.token + DIGIT_PAIRS[check >>> 12]! + DIGIT_PAIRS[check & 0xfff]!
}

function decodeEpochs(record: Buffer | undefined): Epoch[] {
  const epochs: Epoch[] = []
  const size = NUMBER_BYTES + TOKEN_BYTES
  for (let at = 0; record !== undefined && at + size <= record.length; at += size) {
    epochs.push(epochOf(record.readUIntBE(at, NUMBER_BYTES), record.subarray(at + NUMBER_BYTES, at + size)))
  }
  return epochs
}

/** Writes and reads the sequences of one database, from one opening to its close. */
export class SequenceCodec {
  readonly #epochs: Epoch[]
  /** The last one that was of this history: an index is asked for again and again as of the same one. */
  #knownSequence: string | undefined

  private constructor(epochs: Epoch[]) {
    this.#epochs = epochs
  }

  /** `record` is the stored one, if any; `after` the number of the last change. A new epoch begins here. */
  static begin(record: Buffer | undefined, after: number, random: RandomBytes): SequenceCodec {
    const fresh = (start: number): Epoch => {
      const token = Buffer.alloc(TOKEN_BYTES)
      random(token)
      return epochOf(start, token)
    }
    const known = decodeEpochs(record)
    const kept = known.length < MOST_EPOCHS ? known : [fresh(0), ...known.slice(-MOST_EPOCHS / 2)]
    return new SequenceCodec([...kept, fresh(after)])
  }

  /** One that writes and reads what the one writes and reads that gave the record, which has the present epoch. */
  static of(record: Buffer): SequenceCodec {
    return new SequenceCodec(decodeEpochs(record))
  }

  /** The record with the new epoch: to be stored with the first change after the opening. */
  record(): Buffer {
    return Buffer.concat(
      this.#epochs.flatMap(({ after, token }) => {
        const number = Buffer.alloc(NUMBER_BYTES)
        number.writeUIntBE(after, 0, NUMBER_BYTES)
        return [number, Buffer.from(token, 'base64url')]
      }),
    )
  }

  /** The last epoch that begins before the number. */
  #epochOf(seqNumber: number): Epoch {
    let low = 0
    let high = this.#epochs.length - 1
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (this.#epochs[middle]!.after < seqNumber) low = middle
      else high = middle - 1
    }
    return this.#epochs[low]!
  }

  format(seqNumber: number): string {
    return `${seqNumber}-${opaque(this.#epochOf(seqNumber), seqNumber)}`
  }

  /** Writes what `format` gives to `bytes` from `at` on, which has room for `MOST_SEQUENCE_BYTES`. Returns where it ends. */
  write(seqNumber: number, bytes: Uint8Array, at: number): number {
    const epoch = this.#epochOf(seqNumber)
    const check = checkOf(epoch, seqNumber)
    const { tokenBytes } = epoch
    let to = writeDigits(seqNumber, bytes, at)
    bytes[to++] = DASH
    for (let i = 0; i < tokenBytes.length; i++) bytes[to++] = tokenBytes[i]!
    bytes[to] = DIGIT_BYTES[check >>> 18]!
    bytes[to + 1] = DIGIT_BYTES[(check >>> 12) & 63]!
    bytes[to + 2] = DIGIT_BYTES[(check >>> 6) & 63]!
    bytes[to + 3] = DIGIT_BYTES[check & 63]!
    return to + 4
  }

  /** Whether the number that a sequence tells had that sequence in this history too. */
  isOfHistory(sequence: string): boolean {
    if (sequence === this.#knownSequence) return true
    if (sequence !== this.format(Number.parseInt(sequence, 10))) return false
    this.#knownSequence = sequence
    return true
  }

  /**
   * The number to start after. A sequence of a lost history, or one beyond `current`, gives 0; a plain number
   * is taken as it is (old clients), `now` is `current`. Throws bad_request for anything else.
   */
  parse(since: string | number, current: number): number {
    if (since === 'now') return current
    const parts = SHAPE.exec(String(since))
    if (parts === null) {
      throw new DatabaseError('badRequest', "Malformed sequence supplied in 'since' parameter.")
    }
    const seqNumber = Number(parts[1])
    const foreign = parts[2] !== undefined && parts[2] !== opaque(this.#epochOf(seqNumber), seqNumber)
    return foreign || seqNumber > current ? 0 : seqNumber
  }
}
