/**
 * The life of a database with channels by CouchDB's API, with restarts, with threads and without, against the gateway's plain model.
 * The file that says who sees what is lost at times, cut off anywhere, or an older one. Invariants:
 * - No user is answered anything of a revision that he may not see, by any route.
 * - Every user sees every document that he may see, in listings, in queries and in `_changes`, from the beginning and from where he was.
 */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode } from '../../src/base/node-error.ts'
import { ChannelsTarget } from '../../test/support/channels-target.ts'
import { GatewayRun } from '../../test/support/gateway-run.ts'
import { GatewayServer } from '../../test/support/gateway-server.ts'
import type { Random } from '../../test/support/random.ts'
import { inDataFolder } from '../data-folder.ts'
import type { Script } from '../script.ts'
import { playerOf, type Target } from '../target.ts'

const RESTART_PROBABILITY = 0.05
const MOST_THREADS = 1
const INDEX = 'channels/databases/db.davenport'

/** What becomes of the index while no server runs. */
async function changeIndex(folder: string, old: Buffer | undefined, random: Random): Promise<string> {
  const path = join(folder, INDEX)
  const present = await contentOf(path)
  if (present === undefined) return 'no index'
  const what = random.pick(['kept', 'kept', 'lost', 'cut', 'older'])
  if (what === 'lost') await rm(path)
  if (what === 'cut') await writeFile(path, present.subarray(0, random.int(present.length)))
  if (what === 'older' && old !== undefined) await writeFile(path, old)
  return what
}

async function contentOf(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function play(script: Script, folder: string): Promise<void> {
  let server = await GatewayServer.start(folder)
  let index: Buffer | undefined
  const target = new ChannelsTarget(() => server)
  const run = new GatewayRun(script.setup(), () => target, { api: 'couchdb' })
  try {
    await run.begin()
    for (const random of script.events()) {
      await run.step(random)
      if (!random.bool(RESTART_PROBABILITY)) continue
      await server.stop()
      const before = await contentOf(join(folder, INDEX))
      script.coverage.count(await changeIndex(folder, index, random))
      index = before
      server = await GatewayServer.start(
        folder,
        {},
        {
          DAVENPORT_DAVENPORT__THREADS: String(random.int(MOST_THREADS + 1)),
        },
      )
      await run.checkAll()
    }
    await run.checkAll()
    for (const [name, times] of run.counts) script.coverage.count(name, times)
  } finally {
    await server.stop()
  }
}

export const channels: Target = {
  name: 'channels',
  summary:
    'users of a database with channels see what they may and nothing else, whatever becomes of its index',
  caseEvents: 60,
  smokeEvents: 30,
  rarePaths: ['grant'],
  repeats: false,
  hangMs: 120_000,
  open: playerOf((script) => inDataFolder((folder) => play(script, folder))),
}
