/** What keys of an index say of their documents, as documents that have these fields and no others. */
import type { DocumentView } from '../database/api/database.ts'
import type { Gathered } from '../documents/gathered.ts'
import { type FixedText, isPlain, put, SPARE_BYTES } from '../documents/row-bytes.ts'
import { elementsOf, skipValue } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'
import { parsePath } from '../selector/path.ts'

/** Names that lead to a field, or to more names. */
interface Shape {
  readonly head: string
  readonly parts: Map<string, Shape>
  /** Number of the field; `ID_FIELD` for the id. */
  field: number | undefined
}

const ID = '_id'
const ID_FIELD = -1

/** That of a path, which is made where it is not there. */
function shapeAt(root: Shape, path: readonly string[]): Shape {
  let shape = root
  for (const name of path) {
    let next = shape.parts.get(name)
    if (next === undefined) {
      next = { head: `${stringText(name)}:`, parts: new Map(), field: undefined }
      shape.parts.set(name, next)
    }
    shape = next
  }
  return shape
}

/** Documents of rows, one after the other, as one view: what it shows is good until it is moved to another row. */
export class CoveredDocuments {
  readonly #view: CoveredView

  constructor(fields: readonly (readonly string[])[]) {
    const root: Shape = { head: '', parts: new Map(), field: undefined }
    for (const [number, path] of fields.entries()) shapeAt(root, path).field = number
    this.#view = new CoveredView(root)
  }

  /**
   * The document whose id, UTF-8, is bytes `idStart` to `idEnd` of `idBytes`; JSON of an array of its fields' values begins at `keyStart`
   * of `keyBytes`.
   */
  of(keyBytes: Buffer, keyStart: number, idBytes: Uint8Array, idStart: number, idEnd: number): DocumentView {
    this.#view.moveTo(keyBytes, keyStart, idBytes, idStart, idEnd)
    return this.#view
  }
}

const QUOTE = 0x22

/** What is asked of a document that keys cover: `fields` are names of the index's fields, or `_id`. */
export class CoveredProjection {
  /** The parts in their order: what stands between values, and numbers of fields. */
  readonly #parts: (Buffer | number)[] = []

  constructor(fields: readonly string[], columns: readonly string[]) {
    const root: Shape = { head: '', parts: new Map(), field: undefined }
    for (const name of fields) {
      const shape = shapeAt(root, parsePath(name))
      shape.field = name === ID ? ID_FIELD : columns.indexOf(name)
    }
    const rest = this.#add(root, '')
    this.#parts.push(Buffer.from(rest))
  }

  /** `before`: what stands before the shape and is not among the parts yet. Gives the same of what follows it. */
  #add({ field, parts }: Shape, before: string): string {
    if (field !== undefined) {
      this.#parts.push(Buffer.from(before), field)
      return ''
    }
    let rest = `${before}{`
    let comma = ''
    for (const part of parts.values()) {
      rest = this.#add(part, `${rest}${comma}${part.head}`)
      comma = ','
    }
    return `${rest}}`
  }

  /** Writes the text of its parts behind `separator`; false, and nothing is written, for a document that is put together of no key. */
  write(view: DocumentView, out: Gathered, separator: FixedText): boolean {
    if (!(view instanceof CoveredView)) return false
    const { bytes: chunk, view: words } = out.reserve(
      this.#bytesOf(view) + separator.text.length + SPARE_BYTES,
    )
    let at = separator.write(words, out.used)
    for (const part of this.#parts) {
      at = typeof part === 'number' ? view.writeField(part, chunk, at) : put(part, 0, part.length, chunk, at)
    }
    out.used = at
    return true
  }

  /** At most. */
  #bytesOf(view: CoveredView): number {
    let bytes = 0
    for (const part of this.#parts) bytes += typeof part === 'number' ? view.fieldBytes(part) : part.length
    return bytes
  }
}

const NONE = Buffer.alloc(0)

class CoveredView implements DocumentView {
  readonly rev = ''
  readonly deleted = false
  readonly localSeq = 0
  readonly expiresAtMs = undefined
  readonly #shape: Shape
  #keyBytes: Buffer = NONE
  #keyStart = 0
  #idBytes: Uint8Array = NONE
  #idStart = 0
  #idEnd = 0
  #id: string | undefined
  /** JSON of an id that is not its own JSON. */
  #idText: Buffer | undefined
  #values: readonly number[] | undefined
  #body: Buffer | undefined

  constructor(shape: Shape) {
    this.#shape = shape
  }

  moveTo(keyBytes: Buffer, keyStart: number, idBytes: Uint8Array, idStart: number, idEnd: number): void {
    this.#keyBytes = keyBytes
    this.#keyStart = keyStart
    this.#idBytes = idBytes
    this.#idStart = idStart
    this.#idEnd = idEnd
    this.#id = undefined
    this.#idText = undefined
    this.#values = undefined
    this.#body = undefined
  }

  get id(): string {
    this.#id ??= Buffer.from(this.#idBytes.subarray(this.#idStart, this.#idEnd)).toString()
    return this.#id
  }

  body(): Buffer {
    this.#body ??= Buffer.from(this.#text(this.#shape))
    return this.#body
  }

  /** JSON of what the shape, which has no id, says. */
  #text(shape: Shape): string {
    if (shape.field !== undefined) {
      const at = this.#valueAt(shape.field)
      return this.#keyBytes.toString('utf8', at, skipValue(this.#keyBytes, at))
    }
    let text = '{'
    for (const part of shape.parts.values()) {
      text += text.length === 1 ? part.head : `,${part.head}`
      text += this.#text(part)
    }
    return `${text}}`
  }

  #valueAt(field: number): number {
    this.#values ??= elementsOf(this.#keyBytes, this.#keyStart)
    return this.#values[field]!
  }

  /** Of a field's JSON. */
  fieldBytes(field: number): number {
    if (field !== ID_FIELD) {
      const at = this.#valueAt(field)
      return skipValue(this.#keyBytes, at) - at
    }
    if (isPlain(this.#idBytes, this.#idStart, this.#idEnd)) return this.#idEnd - this.#idStart + 2
    this.#idText = Buffer.from(stringText(this.id))
    return this.#idText.length
  }

  /** Writes a field's JSON, whose bytes have been asked for, where there is room for it. Returns where it ends. */
  writeField(field: number, target: Uint8Array, start: number): number {
    if (field !== ID_FIELD) {
      const at = this.#valueAt(field)
      return put(this.#keyBytes, at, skipValue(this.#keyBytes, at), target, start)
    }
    if (this.#idText !== undefined) return put(this.#idText, 0, this.#idText.length, target, start)
    target[start] = QUOTE
    const end = put(this.#idBytes, this.#idStart, this.#idEnd, target, start + 1)
    target[end] = QUOTE
    return end + 1
  }

  attachments(): [] {
    return []
  }

  revisions(): { start: number; ids: string[] } {
    return { start: 0, ids: [] }
  }

  revsInfo(): [] {
    return []
  }

  conflicts(): [] {
    return []
  }

  deletedConflicts(): [] {
    return []
  }
}
