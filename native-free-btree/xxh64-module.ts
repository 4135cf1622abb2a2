/**
 * A WebAssembly module that computes xxh64 over its own memory, assembled here instruction by instruction.
 * The algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md (XXH64). The encoding of
 * instructions: https://webassembly.github.io/spec/core/binary/instructions.html.
 *
 * Why not only xxhash-wasm, which the tests hold it against: that one keeps its memory to itself, so every input
 * is copied in, and takes and gives 64-bit numbers as BigInts, which are objects. Here bytes may be read from
 * the disk right into the memory and be verified where they landed, and seed and hash are 32-bit halves: 300
 * bytes with the seed of a position take 0.1 µs instead of 0.7.
 *
 * The memory never grows: growing would detach every view of it.
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

const P1 = i64(11400714785074694791n)
const P2 = i64(14029467366897019727n)
const P3 = i64(1609587929392839161n)
const P4 = i64(9650029242287828579n)
const P5 = i64(2870177450012600261n)
const MINUS_P1 = i64(-11400714785074694791n)

// Parameters, then locals.
const [START, END, SEED_LOW, SEED_HIGH] = [0, 1, 2, 3]
const AT = 4
const [SEED, HASH] = [5, 6]
const LANES = [7, 8, 9, 10]

const round = (lane: Code, input: Code): Code => mul(rotl(add(lane, mul(input, P2)), 31), P1)
const zero = i64(0n)
const at = get(AT)
const advance = (bytes: number): Code => set(AT, add32(at, i32(bytes)))
/** Whether `bytes` more lie before the end. */
const left = (bytes: number): Code => atMost32(add32(at, i32(bytes)), get(END))
const mergeLane = (lane: number): Code => set(HASH, add(mul(xor(get(HASH), round(zero, get(lane))), P1), P4))
const fold = (bits: number): Code => set(HASH, xor(get(HASH), shiftRight(get(HASH), i64(BigInt(bits)))))

function hashBody(): Code {
  const [l1, l2, l3, l4] = LANES as [number, number, number, number]
  const stripes = [
    ...set(l1, add(add(get(SEED), P1), P2)),
    ...set(l2, add(get(SEED), P2)),
    ...set(l3, get(SEED)),
    ...set(l4, add(get(SEED), MINUS_P1)),
    ...whileTrue(left(32), [
      ...LANES.flatMap((lane, index) => set(lane, round(get(lane), load64(at, index * 8)))),
      ...advance(32),
    ]),
    ...set(HASH, add(add(rotl(get(l1), 1), rotl(get(l2), 7)), add(rotl(get(l3), 12), rotl(get(l4), 18)))),
    ...LANES.flatMap(mergeLane),
  ]
  return [
    ...set(SEED, or(widen(get(SEED_LOW)), shiftLeft(widen(get(SEED_HIGH)), i64(32n)))),
    ...set(AT, get(START)),
    ...ifElse(left(32), stripes, set(HASH, add(get(SEED), P5))),
    ...set(HASH, add(get(HASH), widen(sub32(get(END), get(START))))),
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
    0x0b,
  ]
}

/** The module's bytes: it has `memory` of `pages` times 64 KiB and `hash`. */
function moduleBytes(pages: number): Uint8Array {
  const locals = vector([
    [1, I32],
    [2 + LANES.length, I64],
  ])
  const body = [...locals, ...hashBody()]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, vector([[0x60, ...vector([[I32], [I32], [I32], [I32]]), ...vector([[I32]])]])),
    ...section(3, vector([[0]])),
    ...section(5, vector([[1, ...unsigned(pages), ...unsigned(pages)]])),
    ...section(
      7,
      vector([
        [...name('memory'), 2, 0],
        [...name('hash'), 0, 0],
      ]),
    ),
    ...section(10, vector([[...unsigned(body.length), ...body]])),
  ])
}

export interface Xxh64Module {
  readonly memory: { readonly buffer: ArrayBuffer }
  /**
   * Hash of the memory's bytes from `start` to `end`, which must lie in it, with a seed in two halves of 32
   * bits. Returns the low half, as a signed number; the hash stands, little-endian, at offset 0.
   */
  hash(start: number, end: number, seedLow: number, seedHigh: number): number
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
