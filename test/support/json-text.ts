import fc from 'fast-check'

// Valid JSON texts spelled oddly: white space anywhere, needless and missing escapes, repeated keys, every
// kind of number.

const space = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n'), maxLength: 3 }) },
)

function escaped(character: string, style: number): string {
  const code = character.codePointAt(0)!
  const hex = (unit: number) => `\\u${unit.toString(16).padStart(4, '0')}`
  if (style === 0 || (code < 32 && style === 2)) {
    return [...Array(character.length).keys()].map((i) => hex(character.charCodeAt(i))).join('')
  }
  if (style === 1 && code === 0x2f) return '\\/'
  if (style === 3 && code < 0x10000) return hex(code).toUpperCase().replace('U', 'u')
  return JSON.stringify(character).slice(1, -1)
}

const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...'abcABC019 _~') },
  { weight: 2, arbitrary: fc.constantFrom('"', '\\', '/', '\b', '\t', '\n', '\f', '\r', '\u0000', '\u001f') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('\u007f', 'é', '\u2028', '日', '😀', '\ufeff', '\uffff', '\u{10ffff}'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }) },
)

const string = fc
  .array(fc.tuple(character, fc.nat(8)), { maxLength: 20 })
  .map((parts) => `"${parts.map(([text, style]) => escaped(text, style)).join('')}"`)

const key = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('"a"', '"\\u0061"', '"b"', '"c"', '""', '"\\/"', '"/"') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '"_id"',
      '"_rev"',
      '"_access"',
      '"\\u005fid"',
      '"_replication_state"',
      '"_"',
      '"_é"',
    ),
  },
  { weight: 2, arbitrary: fc.nat(100).map((n) => `"k${n}"`) },
  { weight: 1, arbitrary: string },
)

const colon = fc.constant(':')
const digits = fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: 20 })
const integer = fc.oneof(
  fc.integer({ min: -1, max: 256 }).map(String),
  fc.constantFrom(
    '-0',
    '65535',
    '2147483647',
    '2147483648',
    '-2147483648',
    '-2147483649',
    '9007199254740993',
  ),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.integer({ min: 10, max: 308 }).map((size) => '9876543210'.repeat(31).slice(0, size)),
)
const float = fc.oneof(
  fc
    .tuple(fc.constantFrom('', '-'), fc.integer({ min: 0, max: 1000 }), digits)
    .map(([s, i, f]) => `${s}${i}.${f}`),
  fc
    .tuple(
      integer.map((n) => n.slice(0, 5)),
      fc.constantFrom('e', 'E', 'e+', 'E-'),
      fc.nat(200),
    )
    .map(([mantissa, e, exponent]) => `${mantissa === '-' ? '1' : mantissa}${e}${exponent}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => {
    const text = String(value)
    return /[.e]/.test(text) ? text : `${text}.0`
  }),
  fc.constantFrom('-0.0', '0e0', '5e-324', '1e-400', '1.7976931348623157e308', '9007199254740992.0', '1e22'),
)

const { value } = fc.letrec<{ value: string; scalar: string; list: string; object: string }>((tie) => ({
  scalar: fc.oneof(integer, float, string, fc.constantFrom('true', 'false', 'null')),
  list: fc
    .tuple(fc.array(fc.tuple(space, tie('value'), space), { maxLength: 6 }), space)
    .map(([items, gap]) => `[${items.map((item) => item.join('')).join(',') || gap}]`),
  object: fc
    .tuple(fc.array(fc.tuple(space, key, space, colon, space, tie('value'), space), { maxLength: 8 }), space)
    .map(([items, gap]) => `{${items.map((item) => item.join('')).join(',') || gap}}`),
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('scalar'),
    fc.array(fc.nat(255), { maxLength: 5 }).map((bytes) => `[${bytes.join(',')}]`),
    tie('list'),
    tie('object'),
  ),
}))

const manyMembers = fc
  .array(fc.tuple(fc.nat(150), integer), { minLength: 30, maxLength: 300, size: 'max' })
  .map((members) => `{${members.map(([name, number]) => `"k${name}":${number}`).join(',')}}`)

const members = fc
  .array(fc.tuple(space, key, space, colon, space, value, space), { maxLength: 12 })
  .map((items) => `{${items.map((item) => item.join('')).join(',')}}`)

/** A JSON text, most often an object. */
export const jsonText: fc.Arbitrary<string> = fc
  .tuple(
    space,
    fc.oneof(
      { weight: 8, arbitrary: members },
      { weight: 1, arbitrary: value },
      { weight: 1, arbitrary: manyMembers },
    ),
    space,
  )
  .map((parts) => parts.join(''))
