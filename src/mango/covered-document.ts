/** What keys of an index say of their documents, as documents that have these fields and no others. */
import type { DocumentView } from '../database/api/database.ts'
import { elementsOf, skipValue } from '../json/walk.ts'
import { stringText } from '../json/writer.ts'

/** Names that lead to a field, or to more names. */
interface Shape {
  readonly head: string
  readonly parts: Map<string, Shape>
  /** Number of the field. */
  field: number | undefined
}

export class CoveredDocuments {
  readonly #root: Shape = { head: '', parts: new Map(), field: undefined }

  constructor(fields: readonly (readonly string[])[]) {
    for (const [number, path] of fields.entries()) {
      let shape = this.#root
      for (const name of path) {
        let next = shape.parts.get(name)
        if (next === undefined) {
          next = { head: `${stringText(name)}:`, parts: new Map(), field: undefined }
          shape.parts.set(name, next)
        }
        shape = next
      }
      shape.field = number
    }
  }

  /** `key` is JSON of an array of the fields' values. */
  of(id: string, key: Buffer): DocumentView {
    const values = elementsOf(key, 0)
    const textOf = (shape: Shape): string => {
      if (shape.field !== undefined) {
        const at = values[shape.field]!
        return key.toString('utf8', at, skipValue(key, at))
      }
      return `{${[...shape.parts.values()].map((part) => part.head + textOf(part)).join(',')}}`
    }
    return new CoveredView(id, Buffer.from(textOf(this.#root)))
  }
}

class CoveredView implements DocumentView {
  readonly rev = ''
  readonly deleted = false
  readonly localSeq = 0
  readonly expiresAtMs = undefined
  readonly id: string
  readonly #body: Buffer

  constructor(id: string, body: Buffer) {
    this.id = id
    this.#body = body
  }

  body(): Buffer {
    return this.#body
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
