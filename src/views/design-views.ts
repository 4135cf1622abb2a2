/** The views of a design document: what index they are, and where in it each of them is. */
import { createHash } from 'node:crypto'
import { DatabaseError } from '../base/errors.ts'
import type { TreeDefinition, ViewsDefinition } from '../indexes/api.ts'
import type { Design, WrittenView } from '../scripting/design.ts'

export interface View {
  /** Number of its tree in the definition. */
  readonly tree: number
  readonly isRaw: boolean
  /** A built-in's name, or a function's text; undefined for a view that only maps. */
  readonly reduce: string | undefined
}

export interface DesignViews {
  readonly definition: ViewsDefinition
  /** By their names. */
  readonly views: ReadonlyMap<string, View>
}

/** Of what the signature is made of: another one builds all indexes anew. */
const SIGNATURE_FORMAT = 1
const RAW = 'raw'

const known = new WeakMap<Design, DesignViews>()

/** `id` is the design document's; `isPartitioned` its database. */
export function viewsOf(design: Design, id: string, isPartitioned: boolean): DesignViews {
  let views = known.get(design)
  if (views === undefined) {
    views = read(design, id, isPartitioned && design.option('partitioned') !== false)
    known.set(design, views)
  }
  return views
}

/** Throws missing_named_view. */
export function viewNamed({ views }: DesignViews, name: string): View {
  const view = views.get(name)
  if (view === undefined) throw new DatabaseError('noView')
  return view
}

/** Views with equal maps and one order share a tree. */
interface Shared {
  readonly map: string
  readonly isRaw: boolean
  readonly views: WrittenView[]
  readonly reduces: readonly string[]
}

function read(design: Design, id: string, isPartitioned: boolean): DesignViews {
  const shared = sharedTrees(design.writtenViews())
  const trees = shared.map(({ views, reduces, isRaw }): TreeDefinition => {
    return { name: views[0]!.name, reduces, isRaw }
  })
  const withDesignDocuments = design.option('include_design') === true
  const withLocalSeq = design.option('local_seq') === true
  // Names are none of it, so that documents whose views differ in these alone share an index.
  const signed = [
    SIGNATURE_FORMAT,
    design.language,
    shared.map(({ map, isRaw, reduces }) => [map, isRaw, reduces]),
    design.library ?? null,
    withDesignDocuments,
    withLocalSeq,
    isPartitioned,
  ]
  const views = new Map<string, View>()
  for (const [tree, { views: written, isRaw }] of shared.entries()) {
    for (const view of written) views.set(view.name, { tree, isRaw, reduce: reduceOf(view) })
  }
  return {
    definition: {
      kind: 'views',
      signature: createHash('md5').update(JSON.stringify(signed)).digest('hex'),
      trees,
      design: design.viewsText,
      withDesignDocuments,
      withLocalSeq,
      isPartitioned,
      designDocument: id,
    },
    views,
  }
}

/** In an order that is the same for the same maps. */
function sharedTrees(written: readonly WrittenView[]): Shared[] {
  const byMap = new Map<string, WrittenView[]>()
  for (const view of written) {
    const key = JSON.stringify([view.map, isRaw(view)])
    byMap.set(key, [...(byMap.get(key) ?? []), view])
  }
  const keys = [...byMap.keys()].sort()
  return keys.map((map): Shared => {
    const views = byMap.get(map)!
    const reduces = new Set(views.map(reduceOf).filter((reduce) => reduce !== undefined))
    return { map, isRaw: isRaw(views[0]!), views, reduces: [...reduces].sort() }
  })
}

/** The design document's own option of that name says nothing, as in CouchDB. */
function isRaw({ options }: WrittenView): boolean {
  return options['collation'] === RAW
}

function reduceOf({ reduce }: WrittenView): string | undefined {
  if (reduce === undefined) return undefined
  return typeof reduce === 'string' ? reduce : JSON.stringify(reduce)
}
