/**
 * Documents made from their number, so that none has to be kept: ids of 32 hexadecimal digits that scatter like
 * uuids, bodies of JSON that hold the number and a version. Two numbers never share an id: the first 8 digits
 * are a permutation of the 32-bit numbers.
 */
import type { Operation } from '../peers/adapter.ts'

export const ID_BYTES = 32
export const BODY_BYTES = 301
/** Id and body. */
export const DOCUMENT_BYTES = ID_BYTES + BODY_BYTES

const POOL_BYTES = 64 * 1024
const NUMBER_AT = 6
const NUMBER_DIGITS = 10
const VERSION_AT = 28
const VERSION_DIGITS = 8
const TEXT_AT = 45
const WORDS =
  'account amount answer basket batch branch budget bucket carrier channel charge client colour contract country credit currency customer delivery deposit detail discount district document engine entry estimate event factor figure format garden harbour history hour index invoice item journal kitchen label ledger letter limit machine margin market measure message meter minute model month network note number object offer office order origin owner packet parcel partner payment period phone piece place point postage price product project quarter quota rate reason receipt record region report request return review river route sale sample sector service session shipment signal size source stage station status stock storage street supply system table target tariff ticket total track trade train transfer unit update user value vendor version volume voucher warehouse week weight window worker year zone'.split(
    ' ',
  )

/** Bijective on 32-bit numbers: the finisher of MurmurHash3. */
function scattered(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return (x ^ (x >>> 16)) >>> 0
}

const HEX_PAIRS = Uint16Array.from({ length: 256 }, (_, byte) =>
  Buffer.from(byte.toString(16).padStart(2, '0')).readUInt16LE(),
)

export class Documents {
  readonly #seed: number
  readonly #template: Buffer
  readonly #pool: Buffer

  constructor(seed: number) {
    this.#seed = seed >>> 0
    const head = `{"n":"${'0'.repeat(NUMBER_DIGITS)}","version":${'1'.repeat(VERSION_DIGITS)},"text":"`
    this.#template = Buffer.from(`${head.padEnd(BODY_BYTES - 2, ' ')}"}`)
    let text = ''
    for (let i = 0; text.length < POOL_BYTES + BODY_BYTES; i++) {
      text += `${WORDS[scattered(i ^ this.#seed) % WORDS.length]} `
    }
    this.#pool = Buffer.from(text)
  }

  id(number: number): Buffer {
    const id = Buffer.allocUnsafe(ID_BYTES)
    for (let word = 0; word < 4; word++) {
      const bits = scattered(word === 0 ? number ^ this.#seed : scattered(number + this.#seed) + word)
      const at = word * 8
      id.writeUInt16LE(HEX_PAIRS[bits >>> 24]!, at)
      id.writeUInt16LE(HEX_PAIRS[(bits >>> 16) & 0xff]!, at + 2)
      id.writeUInt16LE(HEX_PAIRS[(bits >>> 8) & 0xff]!, at + 4)
      id.writeUInt16LE(HEX_PAIRS[bits & 0xff]!, at + 6)
    }
    return id
  }

  body(number: number, version = 1): Buffer {
    const body = Buffer.allocUnsafe(BODY_BYTES)
    this.#template.copy(body)
    const from = scattered(number ^ Math.imul(version, 0x9e3779b1)) % POOL_BYTES
    this.#pool.copy(body, TEXT_AT, from, from + BODY_BYTES - TEXT_AT - 2)
    writeDigits(body, NUMBER_AT, NUMBER_DIGITS, number)
    writeDigits(body, VERSION_AT, VERSION_DIGITS, 10_000_000 + version)
    return body
  }

  put(number: number, version = 1): Operation {
    return { key: this.id(number), value: this.body(number, version) }
  }

  /** `count` documents from number `from` on. */
  batch(from: number, count: number): Operation[] {
    const operations: Operation[] = []
    for (let i = 0; i < count; i++) operations.push(this.put(from + i))
    return operations
  }
}

/** The number that a body was made from. */
export function numberOf(body: Buffer): number {
  return Number(body.toString('latin1', NUMBER_AT, NUMBER_AT + NUMBER_DIGITS))
}

/** `value` is below 2^31. */
function writeDigits(target: Buffer, at: number, digits: number, value: number): void {
  let rest = value
  for (let i = at + digits - 1; i >= at; i--) {
    target[i] = 0x30 + (rest % 10)
    rest = (rest / 10) | 0
  }
}
