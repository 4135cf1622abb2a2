/** Random keys of views, likely to be neighbours, and their orders said plainly. */
import { inOrderOfText } from '../../src/json/collation.ts'
import type { Random } from './random.ts'

/** An object: its members in the order of the text, whatever JavaScript thinks of their names. */
export class Members {
  readonly pairs: readonly (readonly [string, KeyValue])[]

  constructor(pairs: readonly (readonly [string, KeyValue])[]) {
    this.pairs = pairs
  }
}

export type KeyValue = null | boolean | number | bigint | string | readonly KeyValue[] | Members

export function jsonOf(value: KeyValue): string {
  if (Array.isArray(value)) return `[${value.map(jsonOf).join(', ')}]`
  if (typeof value === 'bigint') return String(value)
  if (!(value instanceof Members)) return Object.is(value, -0) ? '-0' : JSON.stringify(value)
  return `{ ${value.pairs.map(([name, each]) => `${JSON.stringify(name)} :${jsonOf(each)}`).join(',')} }`
}

type Order = (a: KeyValue, b: KeyValue) => number

const collator = new Intl.Collator('en')
const COLLATED_TYPES = ['null', 'false', 'true', 'number', 'string', 'array', 'object']
const RAW_TYPES = ['number', 'false', 'null', 'true', 'object', 'array', 'string']

export const plainCollated: Order = orderWith(COLLATED_TYPES, (a, b) =>
  collator.compare(inOrderOfText(a), inOrderOfText(b)),
)
export const plainRaw: Order = orderWith(RAW_TYPES, (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

function typeOf(value: KeyValue): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'bigint') return 'number'
  if (typeof value !== 'object') return typeof value
  return Array.isArray(value) ? 'array' : 'object'
}

function orderWith(types: readonly string[], strings: (a: string, b: string) => number): Order {
  const order: Order = (a, b) => {
    const difference = types.indexOf(typeOf(a)) - types.indexOf(typeOf(b))
    if (difference !== 0) return difference
    if (typeof a === 'string') return strings(a, b as string)
    if (typeof a === 'number' || typeof a === 'bigint')
      return a < (b as number) ? -1 : Number(a > (b as number))
    if (a instanceof Members) return list(a.pairs.flat(), (b as Members).pairs.flat())
    return Array.isArray(a) ? list(a, b as readonly KeyValue[]) : 0
  }
  const list = (a: readonly KeyValue[], b: readonly KeyValue[]): number => {
    for (let i = 0; i < a.length && i < b.length; i++) {
      const each = order(a[i]!, b[i]!)
      if (each !== 0) return each
    }
    return a.length - b.length
  }
  return order
}

const NUMBERS = [
  0,
  -0,
  1,
  -1,
  2,
  10,
  255,
  256,
  -256,
  0.5,
  -0.5,
  1e21,
  -1e21,
  5e-324,
  -5e-324,
  2 ** 53,
  2 ** 53 + 2,
]
const MORE_NUMBERS = [
  Number.MAX_VALUE,
  -Number.MAX_VALUE,
  2.2250738585072014e-308,
  1.1,
  123456789012345,
  1234567890123456,
]
const ALL_NUMBERS = [...NUMBERS, ...MORE_NUMBERS]

/** Of characters that are joined with, ignored beside, or equal to others, and of such as begin blocks of them. */
const CHARACTERS = [
  ...'aAbBzZ019_- ~\t\n"\\/\u0000\u0001\u001f\u007f',
  ...[
    '\u0301',
    '\u0308',
    '\u0327',
    '\u0338',
    '\u00ad',
    '\u200b',
    '\u200d',
    '\u00e9',
    '\u00c9',
    'e\u0301',
    '\u1ea5',
    '\u00df',
  ],
  ...[
    '\u1e9e',
    '\u00e6',
    '\u00f8',
    'l\u00b7',
    '\u0140',
    '\ufb01',
    '\u0439',
    '\u0438',
    '\u03c2',
    '\u03c3',
    '\u00bd',
    '\u2460',
  ],
  ...[
    '\u30ab',
    '\u30ac',
    '\u304b',
    '\u3099',
    '\u309d',
    '\u65e5',
    '\u672c',
    '\ud55c',
    '\u1112\u1161\u11ab',
    '\u0e40\u0e01',
  ],
  ...[
    '\u0e01\u0e40',
    '\u05d0',
    '\u0627',
    '\u{1f600}',
    '\u{1f468}\u200d\u{1f469}',
    '\u{20000}',
    '\u{10ffff}',
    '\ufffd',
  ],
  ...['\ufff0', '\uffff', '\ufffe', '\ud800', '\udc00', '\ue000', '\u00a0', '\u0f71\u0f72', '\u0fb2\u0f81'],
]
const TYPED = [...'abcdeABCDE .-_019']

/** Keys of at most so many levels. */
export function arbitraryKey(random: Random, levels = 3): KeyValue {
  const kind = random.int(levels > 0 ? 10 : 7)
  if (kind === 0) return [null, false, true][random.int(3)]!
  if (kind <= 2) return arbitraryNumber(random)
  if (kind <= 6) return arbitraryString(random)
  const length = random.int(4)
  const each = () => arbitraryKey(random, levels - 1)
  if (kind <= 8) return Array.from({ length }, each)
  return new Members(Array.from({ length }, () => [arbitraryString(random), each()] as const))
}

function arbitraryNumber(random: Random): number | bigint {
  if (random.int(4) === 0) return arbitraryInteger(random)
  if (random.int(2) === 0) return ALL_NUMBERS[random.int(ALL_NUMBERS.length)]!
  if (random.int(2) === 0) return random.int(200) - 100
  return (random.next() - 2 ** 31) * 10 ** (random.int(40) - 20)
}

/** Near a power of two: doubles have them, and not all of their neighbours. */
function arbitraryInteger(random: Random): bigint {
  const integer =
    2n ** BigInt(50 + random.int(random.pick([8, 80, 970]))) + BigInt(random.between(-70_000, 70_000))
  return random.bool() ? integer : -integer
}

export function arbitraryString(random: Random): string {
  const characters = random.int(3) === 0 ? CHARACTERS : TYPED
  const length = random.int(12) === 0 ? random.int(40) : random.int(5)
  return Array.from({ length }, () => characters[random.int(characters.length)]!).join('')
}
