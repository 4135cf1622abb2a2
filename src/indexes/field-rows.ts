/**
 * The rows of an index of Mango, from the texts of documents: no document is parsed, but where a filter asks for it. As in
 * CouchDB a document has a row if all fields are there, whatever their values; a part of a path may be an index into an array.
 */
import * as X from '../json/characters.ts'
import { walkMembers } from '../json/members.ts'
import { isArrayAt, isObjectAt, isSameText, skipValue, stringAt } from '../json/walk.ts'
import { normalize } from '../selector/condition.ts'
import { ASTRAY, elementAt, findSteps, type PathStep, pathStep } from '../selector/path.ts'
import { compileSelector } from '../selector/selector.ts'
import type { FieldsDefinition } from './api.ts'
import type { MadeRows, RowMaker } from './row-making.ts'

/** The order of `scripting/rows.ts`: a row is its key and its value, each with its end; then the tree's end. */
const ROW_END = Buffer.from('\x01null\x02\x03')
const NO_ROW = 0x03
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
    this.#look(text, 0, text.length, this.#root)
    return this.#missing === 0
  }

  #look(text: Buffer, start: number, end: number, step: Step): void {
    for (const field of step.fields) {
      this.starts[field] = start
      this.ends[field] = end
      this.#missing -= 1
    }
    if (step.names.length === 0) return
    if (isObjectAt(text, start)) {
      walkMembers(text, start, (name, nameEnd, value, valueEnd) => {
        const found = step.names.find(({ nameText }) =>
          isSameText(text, name, nameEnd, nameText, 0, nameText.length),
        )
        if (found !== undefined) this.#look(text, value, valueEnd, found.next)
      })
    } else if (isArrayAt(text, start)) {
      for (const { index, next } of step.names) {
        const at = index < 0 ? ASTRAY : elementAt(text, start, index)
        if (at >= 0) this.#look(text, at, skipValue(text, at), next)
      }
    }
  }
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

  taken(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }
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
    for (const bytes of texts) this.#putRow(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), rows)
    if (texts.length > 0) yield { count: texts.length, rows: rows.taken() }
  }

  #putRow(text: Buffer, rows: RowBuffer): void {
    if (!this.#finder.find(text) || !this.#isMeant(text)) {
      rows.byte(NO_ROW)
      return
    }
    const { starts, ends } = this.#finder
    for (let field = 0; field < starts.length; field++) {
      rows.byte(field === 0 ? X.OPEN_BRACKET : X.COMMA)
      rows.copy(text, starts[field]!, ends[field]!)
    }
    rows.byte(X.CLOSE_BRACKET)
    rows.copy(ROW_END, 0, ROW_END.length)
  }
}

/** Of whole texts of documents. Throws selectorTimeout. */
function filterOf(filter: Uint8Array): (text: Buffer) => boolean {
  const condition = normalize(Buffer.from(filter.buffer, filter.byteOffset, filter.length))
  const matches = compileSelector<WholeDocument>(condition, ({ text }) => text)
  return (text) => matches(new WholeDocument(text))
}

/** A document of which nothing is known but its text, special members included. */
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
