/**
 * The rows of an index of Mango, from the texts of documents: no document is parsed, but where a filter asks for it. As in
 * CouchDB a document has a row if all fields are there, whatever their values; a part of a path may be an index into an array.
 */
import { restIfDue } from '../base/rest.ts'
import * as X from '../json/characters.ts'
import {
  advance,
  enter,
  isArrayAt,
  isObjectAt,
  isSameText,
  skipString,
  skipValue,
  stringAt,
} from '../json/walk.ts'
import { normalize } from '../selector/condition.ts'
import { ASTRAY, elementAt, findSteps, type PathStep, pathStep } from '../selector/path.ts'
import { compileSelector } from '../selector/selector.ts'
import type { FieldsDefinition } from './api.ts'
import type { MadeRows, RowMaker } from './row-making.ts'

const VALUE = Buffer.from('null')
const INITIAL_BYTES = 64 * 1024

/** Names that lead on from one place of a document, and the fields that end there. */
interface Step {
  readonly fields: number[]
  readonly names: (PathStep & { readonly next: Step })[]
}

function newStep(): Step {
  return { fields: [], names: [] }
}

/** Finds the values of some fields in texts of documents. */
class FieldFinder {
  readonly #root = newStep()
  readonly starts: Int32Array
  readonly ends: Int32Array
  #missing = 0

  constructor(fields: readonly (readonly string[])[]) {
    for (const [field, path] of fields.entries()) this.#add(field, path)
    this.starts = new Int32Array(fields.length)
    this.ends = new Int32Array(fields.length)
  }

  #add(field: number, path: readonly string[]): void {
    let step = this.#root
    for (const name of path) {
      const wanted = pathStep(name)
      let found = step.names.find(({ nameText }) => nameText.equals(wanted.nameText))
      if (found === undefined) {
        found = { ...wanted, next: newStep() }
        step.names.push(found)
      }
      step = found.next
    }
    step.fields.push(field)
  }

  /** Whether all of them are there; then `starts` and `ends` say where. */
  find(text: Buffer): boolean {
    this.#missing = this.starts.length
    this.#look(text, 0, this.#root)
    return this.#missing === 0
  }

  /** Ends when all are found. Returns the end of the value at `start`; -1 where it was not walked over. */
  #look(text: Buffer, start: number, step: Step): number {
    if (step.fields.length > 0) return this.#note(text, start, step)
    if (isObjectAt(text, start)) this.#lookIntoObject(text, start, step)
    else if (isArrayAt(text, start)) {
      for (const { index, next } of step.names) {
        const at = index < 0 ? ASTRAY : elementAt(text, start, index)
        if (at >= 0) this.#look(text, at, next)
      }
    }
    return -1
  }

  #note(text: Buffer, start: number, { fields, names }: Step): number {
    const end = skipValue(text, start)
    for (const field of fields) {
      this.starts[field] = start
      this.ends[field] = end
      this.#missing -= 1
    }
    if (names.length > 0) this.#look(text, start, { fields: [], names })
    return end
  }

  #lookIntoObject(text: Buffer, object: number, { names }: Step): void {
    let left = names.length
    for (let name = enter(text, object); name >= 0; ) {
      const nameEnd = skipString(text, name)
      const found = nameAt(text, name, nameEnd, names)
      let end = -1
      if (found !== undefined) {
        end = this.#look(text, nameEnd + 1, found.next)
        left -= 1
        if (left === 0) return
      }
      name = advance(text, end < 0 ? skipValue(text, nameEnd + 1) : end)
    }
  }
}

function nameAt(
  text: Buffer,
  name: number,
  nameEnd: number,
  names: Step['names'],
): Step['names'][0] | undefined {
  for (const one of names) {
    if (isSameText(text, name, nameEnd, one.nameText, 0, one.nameText.length)) return one
  }
  return undefined
}

class RowBuffer {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #length = 0

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#length + size))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }

  byte(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = byte
  }

  copy(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start)
    this.#length += source.copy(this.#bytes, this.#length, start, end)
  }

  get length(): number {
    return this.#length
  }

  taken(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
}

/** Whether rows need more of documents than their bodies: members that are no part of these begin with an underscore. */
export function readsSpecialMembers({ fields, filter }: FieldsDefinition): boolean {
  if (fields.some(([name]) => name!.startsWith('_'))) return true
  return filter !== undefined && Buffer.from(filter).includes('"_')
}

export class FieldRows implements RowMaker {
  readonly members = undefined
  readonly #finder: FieldFinder
  readonly #isMeant: (text: Buffer) => boolean

  constructor({ fields, filter }: FieldsDefinition) {
    this.#finder = new FieldFinder(fields)
    this.#isMeant = filter === undefined ? () => true : filterOf(filter)
  }

  async *make(texts: readonly Uint8Array[]): AsyncGenerator<MadeRows, void, void> {
    const rows = new RowBuffer()
    const bounds = new Uint32Array(3 * texts.length)
    for (const [at, bytes] of texts.entries()) {
      restIfDue()
      const text = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      if (!this.#finder.find(text) || !this.#isMeant(text)) continue
      bounds[3 * at] = rows.length
      this.#putKey(text, rows)
      bounds[3 * at + 1] = rows.length
      rows.copy(VALUE, 0, VALUE.length)
      bounds[3 * at + 2] = rows.length
    }
    if (texts.length > 0) yield { count: texts.length, rows: rows.taken(), bounds }
  }

  #putKey(text: Buffer, rows: RowBuffer): void {
    const { starts, ends } = this.#finder
    for (let field = 0; field < starts.length; field++) {
      rows.byte(field === 0 ? X.OPEN_BRACKET : X.COMMA)
      rows.copy(text, starts[field]!, ends[field]!)
    }
    rows.byte(X.CLOSE_BRACKET)
  }
}

/** Of texts of documents. Throws selectorTimeout. */
function filterOf(filter: Uint8Array): (text: Buffer) => boolean {
  const condition = normalize(Buffer.from(filter.buffer, filter.byteOffset, filter.length))
  const matches = compileSelector<WholeDocument>(condition, ({ text }) => text)
  return (text) => matches(new WholeDocument(text))
}

/** A document of which nothing is known but its text, special members included where they are looked at. */
class WholeDocument {
  readonly text: Buffer

  constructor(text: Buffer) {
    this.text = text
  }

  get id(): string {
    return this.#special('_id')
  }

  get rev(): string {
    return this.#special('_rev')
  }

  body(): Buffer {
    return this.text
  }

  #special(name: string): string {
    const at = findSteps(this.text, 0, [pathStep(name)])
    return at < 0 ? '' : stringAt(this.text, at)
  }
}
