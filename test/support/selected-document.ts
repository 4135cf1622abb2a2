/** Documents that are given as values, as selectors take them. */
import { canonicalize } from '../../src/json/documents.ts'
import type { SelectorBudget } from '../../src/selector/budget.ts'
import { normalize } from '../../src/selector/condition.ts'
import type { StoredDocument } from '../../src/selector/document-fields.ts'
import { compileFields, readFields } from '../../src/selector/fields.ts'
import { JsonSlice } from '../../src/selector/json-slice.ts'
import { compileSelector } from '../../src/selector/selector.ts'

/** As texts, or as values that become texts. */
export type Json = unknown

export function canonicalText(value: Json): Buffer {
  return canonicalize(Buffer.from(JSON.stringify(value)))
}

class ValueDocument implements StoredDocument {
  readonly id: string
  readonly rev: string
  readonly #value: Record<string, Json>

  constructor(value: Record<string, Json>) {
    this.#value = value
    this.id = String(value['_id'] ?? '')
    this.rev = String(value['_rev'] ?? '')
  }

  body(): Buffer {
    const members = Object.entries(this.#value).filter(
      ([name]) => !name.startsWith('_') || name === '__proto__',
    )
    return canonicalText(Object.fromEntries(members))
  }

  whole(): Buffer {
    return canonicalText(this.#value)
  }
}

const wholeOf = (document: ValueDocument): Buffer => document.whole()

/** Throws SelectorError. */
export function selecting(selector: Json, budget?: SelectorBudget): (document: Json) => boolean {
  const matches = compileSelector<ValueDocument>(normalize(canonicalText(selector)), wholeOf, budget)
  return (document) => matches(new ValueDocument(document as Record<string, Json>))
}

/** Undefined where everything is shown. Throws SelectorError. */
export function showing(fields: Json): ((document: Json) => Json) | undefined {
  const project = compileFields<ValueDocument>(readFields(new JsonSlice(canonicalText(fields), 0)), wholeOf)
  return (
    project &&
    ((document) =>
      JSON.parse(project(new ValueDocument(document as Record<string, Json>)).toString()) as Json)
  )
}
