/**
 * Design functions beside a second implementation, in a plain context of this process. Invariants:
 * - Maps at random emit the same rows of documents at random, key for key and value for value, byte for byte; also where they
 *   write to the documents that they are given, and whatever else is in their design document.
 * - Whatever text stands where a function should: the room answers with rows or with an error of its own, and goes on.
 */
import { isDeepStrictEqual } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { Design } from '../../src/scripting/design.ts'
import { visitRows } from '../../src/scripting/rows.ts'
import { ScriptError } from '../../src/scripting/script-error.ts'
import { Scripting } from '../../src/scripting/scripting.ts'
import { PlainQueryServer } from '../../test/support/plain-query-server.ts'
import type { Random } from '../../test/support/random.ts'
import { RandomFunctions } from '../../test/support/random-functions.ts'
import type { Coverage } from '../coverage.ts'
import type { Target } from '../target.ts'

const SIGNS = 'function(doc){}[];,.=+-*/\'"`$\\<>!&|?:\n emit return var'.split('')

function designOf(maps: readonly string[]): { design: Design; names: string[] } {
  const views = Object.fromEntries(maps.map((map, index) => [`v${index}`, { map }]))
  return { design: new Design(Buffer.from(JSON.stringify({ views })), 'fuzz'), names: Object.keys(views) }
}

async function mapped(
  room: Scripting,
  maps: readonly string[],
  documents: readonly string[],
): Promise<[string, string][][][]> {
  const { design, names } = designOf(maps)
  const bytes = await room.map(
    design,
    names,
    documents.map((text) => Buffer.from(text)),
  )
  const rows = documents.map(() => names.map((): [string, string][] => []))
  visitRows(bytes, names.length, (document, view, keyStart, keyEnd, valueStart, valueEnd) => {
    rows[document]![view]!.push([
      bytes.toString('utf8', keyStart, keyEnd),
      bytes.toString('utf8', valueStart, valueEnd),
    ])
  })
  return rows
}

async function compare(room: Scripting, random: Random, coverage: Coverage): Promise<void> {
  const functions = new RandomFunctions(random)
  const maps = Array.from({ length: 1 + random.int(3) }, () => functions.map())
  const documents = Array.from({ length: 1 + random.int(4) }, (_, index) => functions.document(`d${index}`))
  const wanted = new PlainQueryServer(maps).map(documents)
  const found = await mapped(room, maps, documents)
  const count = wanted.flat(2).length
  coverage.count('rows', count)
  if (wanted.flat().some((rows) => rows.length === 0)) coverage.count('threw')
  if (isDeepStrictEqual(found, wanted)) return
  for (const [index, map] of maps.entries()) {
    for (const [at, document] of documents.entries()) {
      const [its, theirs] = [found[at]![index], wanted[at]![index]]
      if (isDeepStrictEqual(its, theirs)) continue
      throw new Error(
        `${map}\nof ${document}\nfound  ${JSON.stringify(its)}\nwanted ${JSON.stringify(theirs)}`,
      )
    }
  }
}

/** A function with some characters changed, or nothing that was ever one. */
async function mutate(room: Scripting, random: Random, coverage: Coverage): Promise<void> {
  const functions = new RandomFunctions(random)
  let map = functions.map()
  for (let times = 1 + random.int(4); times > 0; times--) {
    const at = random.int(map.length + 1)
    const sign = SIGNS[random.int(SIGNS.length)]!
    map = map.slice(0, at) + (random.int(2) === 0 ? sign : '') + map.slice(at + random.int(4))
  }
  try {
    await mapped(room, [map], [functions.document('d')])
    coverage.count('mutantsRan')
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error
    coverage.count('mutantsRefused')
  }
}

export const scripting: Target = {
  name: 'scripting',
  summary: 'design functions beside a second implementation in a plain context',
  caseEvents: 100,
  smokeEvents: 600,
  rarePaths: ['rows', 'threw', 'mutantsRan', 'mutantsRefused'],
  open: async () => {
    const room = new Scripting({ clock: systemClock, threads: 1, limits: { timeoutMs: 10_000 } })
    return {
      async play(script) {
        for (const random of script.events()) {
          if (random.int(4) === 0) await mutate(room, random, script.coverage)
          else await compare(room, random, script.coverage)
        }
      },
      close: () => room.close(),
    }
  },
}
