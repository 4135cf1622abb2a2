/**
 * A WebAssembly module that computes xxh64 over its own memory, assembled here instruction by instruction.
 * The algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md (XXH64). The encoding of
 * instructions: https://webassembly.github.io/spec/core/binary/instructions.html.
 *
 * Why not xxhash-wasm, which the tests hold it against: that one keeps its memory to itself, so every input
 * is copied in, takes and gives 64-bit numbers as BigInts, which are objects, and is compiled asynchronously, so that
 * a module that uses it cannot be loaded by `require`. Here bytes may be read from
 * the disk right into the memory and be verified where they landed, and seed and hash are 32-bit halves: 300
 * bytes with the seed of a position take 0.1 µs instead of 0.7.
 *
 * The memory never grows: growing would detach every view of it. What is longer than its room goes through it in
 * pieces: the lanes are set at LANES_START, `absorb` brings them further, and `finish` makes the hash of them.
 */

type Code = number[]

const I32 = 0x7f
const I64 = 0x7e

function unsigned(value: number): Code {
  const bytes: Code = []
  let rest = value
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128)
  bytes.push(rest)
  return bytes
}

function signed(value: bigint): Code {
  const bytes: Code = []
  let rest = BigInt.asIntN(64, value)
  for (;;) {
    const low = Number(rest & 127n)
    rest >>= 7n
    const isLast = (rest === 0n && (low & 64) === 0) || (rest === -1n && (low & 64) !== 0)
    bytes.push(isLast ? low : low | 128)
    if (isLast) return bytes
  }
}

function vector(items: Code[]): Code {
  return [...unsigned(items.length), ...items.flat()]
}

function section(id: number, content: Code): Code {
  return [id, ...unsigned(content.length), ...content]
}

function name(text: string): Code {
  return [...unsigned(text.length), ...Buffer.from(text, 'latin1')]
}

const get = (local: number): Code => [0x20, ...unsigned(local)]
const set = (local: number, value: Code): Code => [...value, 0x21, ...unsigned(local)]
const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))]
const i64 = (value: bigint): Code => [0x42, ...signed(value)]
const binary =
  (opcode: number) =>
  (a: Code, b: Code): Code => [...a, ...b, opcode]
const add32 = binary(0x6a)
const sub32 = binary(0x6b)
const atMost32 = binary(0x4d)
const below32 = binary(0x49)
const add = binary(0x7c)
const mul = binary(0x7e)
const or = binary(0x84)
const xor = binary(0x85)
const shiftLeft = binary(0x86)
const shiftRight = binary(0x88)
const rotl = (value: Code, bits: number): Code => [...value, ...i64(BigInt(bits)), 0x89]
const widen = (value: Code): Code => [...value, 0xad]
const narrow = (value: Code): Code => [...value, 0xa7]
/** Loads are unaligned (the alignment, 2^0, is only a hint); little-endian by definition. */
const load64 = (at: Code, offset = 0): Code => [...at, 0x29, 0, ...unsigned(offset)]
const load32 = (at: Code): Code => [...at, 0x35, 0, 0]
const load8 = (at: Code): Code => [...at, 0x31, 0, 0]
const store64 = (at: Code, value: Code): Code => [...at, ...value, 0x37, 0, 0]
const ifElse = (condition: Code, then: Code, otherwise: Code): Code => [
  ...condition,
  ...[0x04, 0x40, ...then],
  ...[0x05, ...otherwise],
  0x0b,
]
const when = (condition: Code, then: Code): Code => [...condition, 0x04, 0x40, ...then, 0x0b]
const whileTrue = (condition: Code, body: Code): Code =>
  when(condition, [0x03, 0x40, ...body, ...condition, 0x0d, 0x00, 0x0b])

const P1_VALUE = 11400714785074694791n
const P2_VALUE = 14029467366897019727n
const P1 = i64(P1_VALUE)
const P2 = i64(P2_VALUE)
const P3 = i64(1609587929392839161n)
const P4 = i64(9650029242287828579n)
const P5 = i64(2870177450012600261n)

/** Where the four lanes of a hash in pieces stand in the memory, each in eight bytes. */
export const LANES_START = 32
/** What the lanes begin with, beside the seed. */
export const LANE_STARTS = [P1_VALUE + P2_VALUE, P2_VALUE, 0n, -P1_VALUE] as const
/** The bytes that one step takes in. */
export const STRIPE_BYTES = 32

// Parameters, then locals. `finish` has the length of all in the place of the seed's low half.
const [START, END, SEED_LOW, SEED_HIGH] = [0, 1, 2, 3]
const TOTAL = SEED_LOW
const AT = 4
const [SEED, HASH] = [5, 6]
const LANES = [7, 8, 9, 10] as const

const round = (lane: Code, input: Code): Code => mul(rotl(add(lane, mul(input, P2)), 31), P1)
const zero = i64(0n)
const at = get(AT)
const advance = (bytes: number): Code => set(AT, add32(at, i32(bytes)))
/** Whether `bytes` more lie before the end. */
const left = (bytes: number): Code => atMost32(add32(at, i32(bytes)), get(END))
const mergeLane = (lane: number): Code => set(HASH, add(mul(xor(get(HASH), round(zero, get(lane))), P1), P4))
const fold = (bits: number): Code => set(HASH, xor(get(HASH), shiftRight(get(HASH), i64(BigInt(bits)))))

/** Takes in whole stripes, and ends with less than one left. */
const stripes = whileTrue(left(STRIPE_BYTES), [
  ...LANES.flatMap((lane, index) => set(lane, round(get(lane), load64(at, index * 8)))),
  ...advance(STRIPE_BYTES),
])

const [L1, L2, L3, L4] = LANES
const joinLanes = [
  ...set(HASH, add(add(rotl(get(L1), 1), rotl(get(L2), 7)), add(rotl(get(L3), 12), rotl(get(L4), 18)))),
  ...LANES.flatMap(mergeLane),
]

const loadLanes = LANES.flatMap((lane, index) => set(lane, load64(i32(LANES_START + 8 * index))))

/** Takes in what is left behind the stripes, and leaves the hash at offset 0. */
const ending = [
  ...whileTrue(left(8), [
    ...set(HASH, add(mul(rotl(xor(get(HASH), round(zero, load64(at))), 27), P1), P4)),
    ...advance(8),
  ]),
  ...when(left(4), [
    ...set(HASH, add(mul(rotl(xor(get(HASH), mul(load32(at), P1)), 23), P2), P3)),
    ...advance(4),
  ]),
  ...whileTrue(below32(at, get(END)), [
    ...set(HASH, mul(rotl(xor(get(HASH), mul(load8(at), P5)), 11), P1)),
    ...advance(1),
  ]),
  ...fold(33),
  ...set(HASH, mul(get(HASH), P2)),
  ...fold(29),
  ...set(HASH, mul(get(HASH), P3)),
  ...fold(32),
  ...store64(i32(0), get(HASH)),
  ...narrow(get(HASH)),
]

const hashBody = [
  ...set(SEED, or(widen(get(SEED_LOW)), shiftLeft(widen(get(SEED_HIGH)), i64(32n)))),
  ...set(AT, get(START)),
  ...ifElse(
    left(STRIPE_BYTES),
    [
      ...LANES.flatMap((lane, index) => set(lane, add(get(SEED), i64(LANE_STARTS[index]!)))),
      ...stripes,
      ...joinLanes,
    ],
    set(HASH, add(get(SEED), P5)),
  ),
  ...set(HASH, add(get(HASH), widen(sub32(get(END), get(START))))),
  ...ending,
]

const absorbBody = [
  ...set(AT, get(START)),
  ...loadLanes,
  ...stripes,
  ...LANES.flatMap((lane, index) => store64(i32(LANES_START + 8 * index), get(lane))),
  ...at,
]

const finishBody = [
  ...set(AT, get(START)),
  ...loadLanes,
  ...joinLanes,
  ...set(HASH, add(get(HASH), widen(get(TOTAL)))),
  ...ending,
]

const LOCALS = vector([
  [1, I32],
  [2 + LANES.length, I64],
])
/** The functions by the names that the module exports them under; all are of one type. */
const FUNCTIONS = Object.entries({ hash: hashBody, absorb: absorbBody, finish: finishBody })

/** The module's bytes: it has `memory` of `pages` times 64 KiB and the functions. */
function moduleBytes(pages: number): Uint8Array {
  const bodies = FUNCTIONS.map(([, code]) => [...LOCALS, ...code, 0x0b])
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, ...vector([[I32], [I32], [I32], [I32]]), ...vector([[I32]])]])),
    ...section(3, vector(FUNCTIONS.map(() => [0]))),
    ...section(5, vector([[1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(
      7,
      vector([
        [...name('memory'), 2, 0],
        ...FUNCTIONS.map(([exported], index) => [...name(exported), 0, index]),
      ]),
    ),
    ...section(10, vector(bodies.map((body) => [...unsigned(body.length), ...body]))),
  ])
}

export interface Xxh64Module {
  readonly memory: { readonly buffer: ArrayBuffer }
  /**
   * Hash of the memory's bytes from `start` to `end`, which must lie in it, with a seed in two halves of 32
   * bits. Returns the low half, as a signed number; the hash stands, little-endian, at offset 0.
   */
  hash(start: number, end: number, seedLow: number, seedHigh: number): number
  /** Takes the memory's bytes from `start` to `end`, a multiple of STRIPE_BYTES of them, into the lanes. */
  absorb(start: number, end: number): number
  /**
   * Hash of what the lanes have taken in and the bytes from `start` to `end` behind it, fewer than STRIPE_BYTES; all
   * together `totalBytes`, at least STRIPE_BYTES and below 2^32. The hash stands at offset 0.
   */
  finish(start: number, end: number, totalBytes: number): number
}

/** The part of the WebAssembly interface that is used; the library of types for Node has none. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

/** A module of its own with `pages` times 64 KiB of memory. */
export function makeXxh64Module(pages: number): Xxh64Module {
  const { Module, Instance } = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyInterface
  return new Instance(new Module(moduleBytes(pages))).exports as Xxh64Module
}
