/**
 * A WebAssembly module that computes MD5 (RFC 1321) of eight messages at a time, assembled here instruction by instruction: one in
 * each lane of two sets of vectors. Each step of MD5 waits for the one before, so that a processor is idle most of the time with
 * one message, and still with four.
 * The encoding of instructions: https://webassembly.github.io/spec/core/binary/instructions.html.
 *
 * Its memory never grows. The state stands at STATE_START: for each set four vectors, A, B, C and D, with 32 bits of each message.
 */

type Code = number[]

const I32 = 0x7f
const V128 = 0x7b

/** Where the vectors of the state stand. */
export const STATE_START = 0
/** Where each step's constant stands, four times. */
const CONSTANTS_START = 128
/** Where messages may lie. */
export const ROOM_START = CONSTANTS_START + 64 * 16
export const MEMORY_BYTES = 2 * 64 * 1024
export const BLOCK_BYTES = 64
/** What the state begins with. */
export const FIRST_STATE = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476] as const

const SHIFTS = [
  [7, 12, 17, 22],
  [5, 9, 14, 20],
  [4, 11, 16, 23],
  [6, 10, 15, 21],
] as const

function unsigned(value: number): Code {
  const bytes: Code = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest & 127) | 128)
  bytes.push(rest)
  return bytes
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
/** Of 0 to 63. */
const i32 = (value: number): Code => [0x41, value]
const add32 = (a: Code, b: Code): Code => [...a, ...b, 0x6a]
const sub32 = (a: Code, b: Code): Code => [...a, ...b, 0x6b]

const simd = (opcode: number): Code => [0xfd, ...unsigned(opcode)]
const load = (at: Code, offset: number): Code => [...at, ...simd(0x00), 0, ...unsigned(offset)]
const store = (at: Code, offset: number, value: Code): Code => [
  ...at,
  ...value,
  ...simd(0x0b),
  0,
  ...unsigned(offset),
]
const shuffle = (a: Code, b: Code, words: readonly number[]): Code => [
  ...a,
  ...b,
  ...simd(0x0d),
  ...words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]),
]
const not = (a: Code): Code => [...a, ...simd(0x4d)]
const or = (a: Code, b: Code): Code => [...a, ...b, ...simd(0x50)]
const xor = (a: Code, b: Code): Code => [...a, ...b, ...simd(0x51)]
/** The bits of `a` where `mask` has ones, those of `b` elsewhere. */
const select = (a: Code, b: Code, mask: Code): Code => [...a, ...b, ...mask, ...simd(0x52)]
const add = (a: Code, b: Code): Code => [...a, ...b, ...simd(0xae)]
const shiftLeft = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(0xab)]
const shiftRight = (a: Code, bits: number): Code => [...a, ...i32(bits), ...simd(0xad)]

/** Lanes of a vector. */
const LANES = 4
const SETS = [0, 1] as const
export const MESSAGES = LANES * SETS.length
/** Bytes of a set's state. */
export const SET_BYTES = 64

// Parameters: where the messages go on, and how many blocks of each. Then locals, all of them vectors: for each set the words of
// a block, the state, and the state before the block; and those that are done with soon.
const BLOCKS = MESSAGES
const WORDS = BLOCKS + 1
const STATE = 16
const BEFORE = 20
const SET_LOCALS = 24
const LOADED = WORDS + SETS.length * SET_LOCALS
const MIXED = LOADED + LANES
const SUM = MIXED + LANES
const LOCALS = SUM + 1 - WORDS

const local = (set: number, at: number): number => WORDS + set * SET_LOCALS + at

const four = [0, 1, 2, 3]

const ROUND_FUNCTIONS: ((b: Code, c: Code, d: Code) => Code)[] = [
  (b, c, d) => select(c, d, b),
  (b, c, d) => select(b, c, d),
  (b, c, d) => xor(xor(b, c), d),
  (b, c, d) => xor(c, or(b, not(d))),
]
const WORD_OF_STEP: ((step: number) => number)[] = [
  (step) => step,
  (step) => (5 * step + 1) % 16,
  (step) => (3 * step + 5) % 16,
  (step) => (7 * step) % 16,
]

/** Words 4 * `quarter` and on of a set's messages, each word's in a vector. */
function loadWords(of: number, quarter: number): Code {
  const loaded = four.map((lane) => set(LOADED + lane, load(get(LANES * of + lane), 16 * quarter)))
  const word = (at: number): number => local(of, 4 * quarter + at)
  const lane = (at: number): Code => get(LOADED + at)
  const mixed = (at: number): Code => get(MIXED + at)
  const first = [0, 4, 1, 5]
  const last = [2, 6, 3, 7]
  const low = [0, 1, 4, 5]
  const high = [2, 3, 6, 7]
  return [
    ...loaded.flat(),
    ...set(MIXED, shuffle(lane(0), lane(1), first)),
    ...set(MIXED + 1, shuffle(lane(2), lane(3), first)),
    ...set(MIXED + 2, shuffle(lane(0), lane(1), last)),
    ...set(MIXED + 3, shuffle(lane(2), lane(3), last)),
    ...set(word(0), shuffle(mixed(0), mixed(1), low)),
    ...set(word(1), shuffle(mixed(0), mixed(1), high)),
    ...set(word(2), shuffle(mixed(2), mixed(3), low)),
    ...set(word(3), shuffle(mixed(2), mixed(3), high)),
  ]
}

function step(of: number, number: number): Code {
  const round = number >> 4
  // The roles of the four words move on by one with every step.
  const role = (at: number): number => local(of, STATE + ((at + 64 - number) & 3))
  const [a, b, c, d] = [role(0), role(1), role(2), role(3)]
  const constant = load(i32(0), CONSTANTS_START + 16 * number)
  const mixed = ROUND_FUNCTIONS[round]!(get(b!), get(c!), get(d!))
  const word = get(local(of, WORD_OF_STEP[round]!(number)))
  const sum = add(add(get(a!), add(word, constant)), mixed)
  const bits = SHIFTS[round]![number & 3]!
  return [
    ...set(SUM, sum),
    ...set(a!, add(get(b!), or(shiftLeft(get(SUM), bits), shiftRight(get(SUM), 32 - bits)))),
  ]
}

/** For each set and each word of its state. */
function eachState(code: (of: number, at: number) => Code): Code {
  return SETS.flatMap((of) => four.flatMap((at) => code(of, at)))
}

const stateAt = (of: number, at: number): number => STATE_START + of * SET_BYTES + 16 * at

const block: Code = [
  ...SETS.flatMap((of) => four.flatMap((quarter) => loadWords(of, quarter))),
  ...eachState((of, at) => set(local(of, BEFORE + at), get(local(of, STATE + at)))),
  ...Array.from({ length: 64 }, (_, number) => SETS.flatMap((of) => step(of, number))).flat(),
  ...eachState((of, at) => {
    const state = local(of, STATE + at)
    return set(state, add(get(state), get(local(of, BEFORE + at))))
  }),
]

const body: Code = [
  ...vector([[...unsigned(LOCALS), V128]]),
  ...eachState((of, at) => set(local(of, STATE + at), load(i32(0), stateAt(of, at)))),
  ...[0x03, 0x40],
  ...block,
  // An i32 constant of 64 takes two bytes.
  ...Array.from({ length: MESSAGES }, (_, message) =>
    set(message, add32(get(message), [0x41, 0xc0, 0x00])),
  ).flat(),
  ...set(BLOCKS, sub32(get(BLOCKS), i32(1))),
  ...get(BLOCKS),
  ...[0x0d, 0x00, 0x0b],
  ...eachState((of, at) => store(i32(0), stateAt(of, at), get(local(of, STATE + at)))),
  0x0b,
]

const MODULE = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...section(1, vector([[0x60, ...vector(Array.from({ length: MESSAGES + 1 }, () => [I32])), 0]])),
  ...section(3, vector([[0]])),
  ...section(5, vector([[0x01, 2, 2]])),
  ...section(
    7,
    vector([
      [...name('memory'), 0x02, 0],
      [...name('blocks'), 0x00, 0],
    ]),
  ),
  ...section(10, vector([[...unsigned(body.length), ...body]])),
])

/** What the module does: takes in `blocks` more blocks of each message, at least one. */
export interface Md5Module {
  readonly memory: Buffer
  blocks(
    ...startsAndBlocks: [number, number, number, number, number, number, number, number, blocks: number]
  ): void
}

/** The part of the WebAssembly interface that is used; the library of types for Node has none. */
interface WebAssemblyInterface {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

export function md5Module(): Md5Module {
  const { Module, Instance } = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyInterface
  const { memory, blocks } = new Instance(new Module(MODULE)).exports as {
    memory: { readonly buffer: ArrayBuffer }
  } & Pick<Md5Module, 'blocks'>
  const bytes = Buffer.from(memory.buffer)
  for (let number = 0; number < 64; number++) {
    const constant = Math.floor(Math.abs(Math.sin(number + 1)) * 2 ** 32)
    for (const lane of four) bytes.writeUInt32LE(constant, CONSTANTS_START + 16 * number + 4 * lane)
  }
  return { memory: bytes, blocks }
}
