// The rules of src/base/json a second time, recursive and with no thought for speed: a parser of JSON bytes,
// the canonical text, and the external term, all by way of a tree of nodes.

export type PlainNode =
  | { readonly kind: 'literal'; readonly name: 'true' | 'false' | 'null' }
  | { readonly kind: 'integer'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly PlainNode[] }
  | { readonly kind: 'object'; readonly members: readonly (readonly [string, PlainNode])[] }

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const SPACE = /[ \t\r\n]*/y
const STRING = /"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y

/** Parses a JSON text; null where it is not one that may be stored. */
export function parsePlain(bytes: Uint8Array): PlainNode | null {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
  let at = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(text)
    if (match !== null) at += match[0].length
    return match
  }
  const string = (): string => {
    const match = take(STRING)
    if (match === null || [...match[0]].some((character) => character < ' ')) throw new Error('string')
    const decoded = JSON.parse(match[0]) as string
    if (/[\ud800-\udfff]/u.test(decoded)) throw new Error('surrogate')
    return decoded
  }
  const list = <T>(open: string, close: string, item: () => T): T[] => {
    at += open.length
    const items: T[] = []
    take(SPACE)
    if (text.startsWith(close, at)) {
      at += close.length
      return items
    }
    for (;;) {
      take(SPACE)
      items.push(item())
      take(SPACE)
      const byte = text[at++]
      if (byte === close) return items
      if (byte !== ',') throw new Error('list')
    }
  }
  const member = (): readonly [string, PlainNode] => {
    const key = string()
    take(SPACE)
    if (text[at++] !== ':') throw new Error('colon')
    return [key, value()]
  }
  const value = (): PlainNode => {
    take(SPACE)
    for (const name of ['true', 'false', 'null'] as const) {
      if (!text.startsWith(name, at)) continue
      at += name.length
      return { kind: 'literal', name }
    }
    if (text[at] === '"') return { kind: 'string', value: string() }
    if (text[at] === '[') return { kind: 'array', items: list('[', ']', value) }
    if (text[at] === '{') return { kind: 'object', members: lastOfEach(list('{', '}', member)) }
    return plainNumber(take(NUMBER))
  }
  try {
    const node = value()
    take(SPACE)
    return at === text.length ? node : null
  } catch {
    return null
  }
}

function plainNumber(match: RegExpExecArray | null): PlainNode {
  if (match === null) throw new Error('number')
  if (match[1] === undefined && match[2] === undefined) {
    if (match[0].replace('-', '').length > 308) throw new Error('too long')
    return { kind: 'integer', value: BigInt(match[0]) }
  }
  const value = Number(match[0])
  if (!Number.isFinite(value)) throw new Error('too large')
  return { kind: 'float', value }
}

function lastOfEach(
  members: readonly (readonly [string, PlainNode])[],
): readonly (readonly [string, PlainNode])[] {
  const map = new Map<string, PlainNode>()
  for (const [key, node] of members) {
    map.delete(key)
    map.set(key, node)
  }
  return [...map]
}

/** The canonical text. */
export function plainText(node: PlainNode): string {
  switch (node.kind) {
    case 'literal':
      return node.name
    case 'integer':
      return String(node.value)
    case 'float':
      return plainFloat(node.value)
    case 'string':
      return plainString(node.value)
    case 'array':
      return `[${node.items.map(plainText).join(',')}]`
    case 'object':
      return `{${node.members.map(([key, value]) => `${plainString(key)}:${plainText(value)}`).join(',')}}`
  }
}

function plainString(value: string): string {
  let text = ''
  for (const character of value) {
    const short = '"\\\b\t\n\f\r'.indexOf(character)
    const code = character.codePointAt(0)!
    if (short >= 0) text += `\\${'"\\btnfr'[short]}`
    else if (code < 32) text += `\\u00${code < 16 ? '0' : '1'}${'0123456789ABCDEF'[code % 16]}`
    else text += character
  }
  return `"${text}"`
}

/** Writes the digits that JavaScript finds in both notations, and takes the shorter text. */
function plainFloat(value: number): string {
  if (value === 0) return '0.0'
  if (value < 0) return `-${plainFloat(-value)}`
  const [shown, power] = String(value).split('e') as [string, string | undefined]
  const [whole, fraction = ''] = shown.split('.') as [string, string | undefined]
  const all = whole + fraction
  const digits = all.replace(/^0+/, '').replace(/0+$/, '')
  const leadingZeros = all.length - all.replace(/^0+/, '').length
  const exponent = whole.length - 1 - leadingZeros + Number(power ?? 0)
  const scientific = `${digits[0]}.${digits.slice(1) || '0'}e${exponent}`
  if (value >= 9007199254740992 || exponent < -20) return scientific
  const padded = `${'0'.repeat(25)}${digits}${'0'.repeat(25)}`
  const point = 25 + exponent + 1
  const left = padded.slice(0, point).replace(/^0+/, '') || '0'
  const right = padded.slice(point).replace(/0+$/, '') || '0'
  const positional = `${left}.${right}`
  return positional.length <= scientific.length ? positional : scientific
}

/** The external term. */
export function plainTerm(node: PlainNode): Buffer {
  switch (node.kind) {
    case 'literal':
      return Buffer.concat([Buffer.from([0x64, 0, node.name.length]), Buffer.from(node.name)])
    case 'integer':
      return plainInteger(node.value)
    case 'float': {
      const bytes = Buffer.alloc(9, 0x46)
      bytes.writeDoubleBE(node.value, 1)
      return bytes
    }
    case 'string':
      return plainBinary(node.value)
    case 'array':
      return plainArray(node.items)
    case 'object': {
      const pairs = node.members.map(([key, value]) =>
        Buffer.concat([Buffer.from([0x68, 2]), plainBinary(key), plainTerm(value)]),
      )
      return Buffer.concat([Buffer.from([0x68, 1]), plainList(pairs)])
    }
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function plainBinary(value: string): Buffer {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([0x6d]), u32(bytes.length), bytes])
}

function plainInteger(value: bigint): Buffer {
  if (value >= 0n && value < 256n) return Buffer.from([0x61, Number(value)])
  if (BigInt.asIntN(32, value) === value) {
    const bytes = Buffer.alloc(5, 0x62)
    bytes.writeInt32BE(Number(value), 1)
    return bytes
  }
  const magnitude: number[] = []
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 8n) magnitude.push(Number(rest & 255n))
  return Buffer.from([0x6e, magnitude.length, value < 0n ? 1 : 0, ...magnitude])
}

function plainArray(items: readonly PlainNode[]): Buffer {
  const bytes: number[] = []
  for (const item of items) {
    if (item.kind === 'integer' && item.value >= 0n && item.value < 256n) bytes.push(Number(item.value))
  }
  if (items.length > 0 && bytes.length === items.length && items.length <= 65535) {
    return Buffer.from([0x6b, items.length >> 8, items.length & 255, ...bytes])
  }
  return plainList(items.map(plainTerm))
}

function plainList(elements: readonly Buffer[]): Buffer {
  if (elements.length === 0) return Buffer.from([0x6a])
  return Buffer.concat([Buffer.from([0x6c]), u32(elements.length), ...elements, Buffer.from([0x6a])])
}
