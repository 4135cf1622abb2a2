/** What makes rows of documents: the maps of views, in the sandbox, or what is read from their texts. */
import { Design } from '../scripting/design.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { IndexDefinition, ViewsDefinition } from './api.ts'
import { FieldRows } from './field-rows.ts'
import type { MadeRows, RowMaker } from './row-making.ts'

class MapRows implements RowMaker {
  readonly #scripting: Scripting
  readonly #design: Design
  readonly #views: readonly string[]
  readonly members: ReadonlySet<string> | undefined

  constructor(scripting: Scripting, definition: ViewsDefinition, owner: string) {
    this.#scripting = scripting
    this.#design = new Design(definition.design, owner)
    this.#views = definition.trees.map(({ name }) => name)
    this.members = this.#design.membersMapped(this.#views)
  }

  make(texts: readonly Uint8Array[], signal: AbortSignal): AsyncIterator<MadeRows, void, void> {
    return this.#scripting.mapSlices(this.#design, this.#views, texts, { signal })
  }
}

/** `owner`: the database's name. */
export function rowMakerOf(definition: IndexDefinition, scripting: Scripting, owner: string): RowMaker {
  if (definition.kind === 'views') return new MapRows(scripting, definition, owner)
  return new FieldRows(definition)
}
