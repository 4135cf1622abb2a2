/** Maps in the room beside the second implementation: rows key for key and value for value, as texts of JSON. */
import { isDeepStrictEqual } from 'node:util'
import { visitRows } from '../../src/scripting/rows.ts'
import type { Scripting } from '../../src/scripting/scripting.ts'
import { PlainQueryServer } from './plain-query-server.ts'
import { designOf } from './scripting.ts'

type RowTexts = [key: string, value: string][]

/** Of each document, of each map. */
export async function mappedTexts(
  room: Scripting,
  maps: readonly string[],
  documents: readonly string[],
): Promise<RowTexts[][]> {
  const names = maps.map((_, index) => `v${index}`)
  const design = designOf({ views: Object.fromEntries(maps.map((map, index) => [`v${index}`, { map }])) })
  const bytes = await room.map(
    design,
    names,
    documents.map((text) => Buffer.from(text)),
  )
  const rows = documents.map(() => names.map((): RowTexts => []))
  visitRows(bytes, names.length, {
    row(document, view, keyStart, keyEnd, valueStart, valueEnd) {
      const text = (start: number, end: number): string => bytes.toString('utf8', start, end)
      rows[document]![view]!.push([text(keyStart, keyEnd), text(valueStart, valueEnd)])
    },
  })
  return rows
}

/** The documents with what the maps look at alone. */
function picked(maps: readonly string[], documents: readonly string[]): string[] {
  const views = Object.fromEntries(maps.map((map, index) => [`v${index}`, { map }]))
  const members = designOf({ views }).membersMapped(Object.keys(views))
  if (members === undefined) return [...documents]
  return documents.map((text) => {
    const entries = Object.entries(JSON.parse(text) as object)
    return JSON.stringify(Object.fromEntries(entries.filter(([name]) => name === '_id' || members.has(name))))
  })
}

/** JSON.stringify escapes halves of pairs that are alone, and no others; CouchDB and the room have U+FFFD in their place. */
function withoutHalves(text: string): string {
  return text.replace(/\\(?:u(d[89a-f]..)|.)/g, (written, half) => (half === undefined ? written : '\\ufffd'))
}

/** Throws where they differ, also of documents without the members that no map looks at; else the rows. */
export async function compareMaps(
  room: Scripting,
  maps: readonly string[],
  documents: readonly string[],
): Promise<RowTexts[][]> {
  const wanted = new PlainQueryServer(maps).map(documents)
  const found = await mappedTexts(room, maps, documents)
  const ofPicked = await mappedTexts(room, maps, picked(maps, documents))
  if (!isDeepStrictEqual(ofPicked, found)) throw new Error(`without other members: ${maps.join('\n')}`)
  for (const [at, document] of documents.entries()) {
    for (const [index, map] of maps.entries()) {
      const its = found[at]![index]
      const theirs = wanted[at]![index]!.map((texts) => texts.map(withoutHalves))
      if (isDeepStrictEqual(its, theirs)) continue
      throw new Error(
        `${map}\nof ${document}\nfound  ${JSON.stringify(its)}\nwanted ${JSON.stringify(theirs)}`,
      )
    }
  }
  return found
}
