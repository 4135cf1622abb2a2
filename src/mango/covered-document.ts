/** What keys of an index say of their documents, as documents that have these fields and no others. */
import type { DocumentView } from '../database/api/database.ts'
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

export class CoveredDocuments {
  readonly #root: Shape = { head: '', parts: new Map(), field: undefined }

  constructor(fields: readonly (readonly string[])[]) {
    for (const [number, path] of fields.entries()) shapeAt(this.#root, path).field = number
  }

  /** `key` is JSON of an array of the fields' values. */
  of(id: string, key: Buffer): DocumentView {
    return new CoveredView(id, key, this.#root)
  }
}

/** What is asked of a document that keys cover: `fields` are names of the index's fields, or `_id`. */
export class CoveredProjection {
  readonly #root: Shape = { head: '', parts: new Map(), field: undefined }

  constructor(fields: readonly string[], columns: readonly string[]) {
    for (const name of fields) {
      const shape = shapeAt(this.#root, parsePath(name))
      shape.field = name === ID ? ID_FIELD : columns.indexOf(name)
    }
  }

  /** The text of its parts; undefined for a document that is put together of no key. */
  of(view: DocumentView): Buffer | undefined {
    return view instanceof CoveredView ? Buffer.from(view.text(this.#root)) : undefined
  }
}

class CoveredView implements DocumentView {
  readonly rev = ''
  readonly deleted = false
  readonly localSeq = 0
  readonly expiresAtMs = undefined
  readonly id: string
  readonly #key: Buffer
  readonly #shape: Shape
  #values: readonly number[] | undefined
  #body: Buffer | undefined

  constructor(id: string, key: Buffer, shape: Shape) {
    this.id = id
    this.#key = key
    this.#shape = shape
  }

  body(): Buffer {
    this.#body ??= Buffer.from(this.text(this.#shape))
    return this.#body
  }

  /** JSON of what the shape says. */
  text(shape: Shape): string {
    if (shape.field === ID_FIELD) return stringText(this.id)
    if (shape.field !== undefined) {
      this.#values ??= elementsOf(this.#key, 0)
      const at = this.#values[shape.field]!
      return this.#key.toString('utf8', at, skipValue(this.#key, at))
    }
    let text = '{'
    for (const part of shape.parts.values()) {
      text += text.length === 1 ? part.head : `,${part.head}`
      text += this.text(part)
    }
    return `${text}}`
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
