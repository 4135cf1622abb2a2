/**
 * Design functions beside a second implementation, in a plain context of this process. Invariants:
 * - Maps at random emit the same rows of documents at random, key for key and value for value, byte for byte; also where they
 *   write to the documents that they are given, and whatever else is in their design document.
 * - Whatever text stands where a function should: the room answers with rows or with an error of its own, and goes on.
 */
import { systemClock } from '../../src/base/clock.ts'
import { ScriptError } from '../../src/scripting/script-error.ts'
import { Scripting } from '../../src/scripting/scripting.ts'
import { compareMaps, mappedTexts } from '../../test/support/compare-maps.ts'
import type { Random } from '../../test/support/random.ts'
import { RandomFunctions } from '../../test/support/random-functions.ts'
import type { Coverage } from '../coverage.ts'
import type { Target } from '../target.ts'

const SIGNS = 'function(doc){}[];,.=+-*/\'"`$\\<>!&|?:\n emit return var'.split('')

async function compare(room: Scripting, random: Random, coverage: Coverage): Promise<void> {
  const functions = new RandomFunctions(random)
  const maps = Array.from({ length: 1 + random.int(3) }, () => functions.map())
  const documents = Array.from({ length: 1 + random.int(4) }, (_, index) => functions.document(`d${index}`))
  const rows = await compareMaps(room, maps, documents)
  coverage.count('rows', rows.flat(2).length)
  if (rows.flat().some((its) => its.length === 0)) coverage.count('threw')
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
    await mappedTexts(room, [map], [functions.document('d')])
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
