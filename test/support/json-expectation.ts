/** What the scanner of documents must make of given bytes, by way of the plain implementation; and mutated texts. */
import fc from 'fast-check'
import { JsonSyntaxError, scanDocument } from '../../src/json/documents.ts'
import { type PlainNode, parsePlain, plainTerm, plainText } from './plain-json.ts'

const BODY_MEMBER = /^_(?:access|replication_(?:state|state_time|state_reason|id|stats))$/

function isSpecial(name: string): boolean {
  return name.startsWith('_') && !BODY_MEMBER.test(name)
}

/** What the scanner must make of `bytes`, by way of the plain implementation. */
export function expected(bytes: Uint8Array) {
  const node = parsePlain(bytes)
  return node === null ? 'no JSON' : expectedDocument(node)
}

export function expectedDocument(node: PlainNode) {
  if (node.kind !== 'object') return 'no object'
  const body: PlainNode = { kind: 'object', members: node.members.filter(([name]) => !isSpecial(name)) }
  return {
    body: plainText(body),
    term: plainTerm(body).toString('hex'),
    special: node.members
      .filter(([name]) => isSpecial(name))
      .map(([name, value]) => [name, plainText(value)]),
  }
}

export function scanned(bytes: Uint8Array) {
  return orNoJson(() => readable(scanDocument(bytes)))
}

export function readable(document: ReturnType<typeof scanDocument>) {
  if (document === null) return 'no object'
  return {
    body: document.body.toString(),
    term: document.term.toString('hex'),
    special: [...document.special].map(([name, text]) => [name, text.toString()]),
  }
}

/** Any other error than the typed one fails the test. */
export function orNoJson<T>(scan: () => T): T | 'no JSON' {
  try {
    return scan()
  } catch (error) {
    if (error instanceof JsonSyntaxError) return 'no JSON'
    throw error
  }
}

/** One change of a text's bytes. */
export const mutation = fc.record({
  at: fc.nat(),
  kind: fc.constantFrom('replace', 'insert', 'delete', 'cut', 'repeat'),
  byte: fc.oneof(
    fc.nat(255),
    fc.constantFrom(...Buffer.from('{}[],:"\\/ue+-.0123456789tfn \n')),
    fc.constantFrom(0xed, 0xa0, 0xc0, 0xf4, 0x90, 0xef, 0xbb, 0xbf),
  ),
})

export function mutate(
  bytes: Buffer,
  { at, kind, byte }: { at: number; kind: string; byte: number },
): Buffer {
  const place = at % (bytes.length + 1)
  const before = bytes.subarray(0, place)
  const after = bytes.subarray(place)
  if (kind === 'replace') return Buffer.concat([before, Buffer.from([byte]), after.subarray(1)])
  if (kind === 'insert') return Buffer.concat([before, Buffer.from([byte]), after])
  if (kind === 'delete') return Buffer.concat([before, after.subarray(1)])
  if (kind === 'repeat') return Buffer.concat([before, after.subarray(0, byte), after])
  return before
}
