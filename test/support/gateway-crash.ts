/**
 * Crashes within the writes of a gateway's database: its file as it was, and of what some steps appended to it a beginning that ends
 * at any byte, as a crash leaves it that keeps what was written in its order. What must hold of a server that starts on that: it is
 * at the end of one of the steps, by every check of a run, and goes on from there.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { GatewayRun } from './gateway-run.ts'
import { GatewayServer } from './gateway-server.ts'
import type { Random } from './random.ts'

const FILE = 'gateway/databases/db.davenport'
const MOST_STEPS = 4
const STEPS_AFTER = 2
/** Crashes that leave everything. */
const WHOLE_PROBABILITY = 0.1

/** What may be found: a run as it was, and the sequence that its database was at. */
interface Candidate {
  run: GatewayRun
  seq: number
}

/**
 * Plays some steps on the server in `folder`, or one of the name that is given, and a crash within them on a copy. Returns how many of
 * them the copy had, of how many; undefined where the file is another one by now, as after a compaction.
 */
export async function crashWithinSteps(
  folder: string,
  server: GatewayServer,
  run: GatewayRun,
  random: Random,
  only?: string,
): Promise<{ had: number; of: number } | undefined> {
  let crashed: GatewayServer | undefined
  const candidate = async (): Promise<Candidate> => ({
    run: run.fork(random.fork(), () => crashed!),
    seq: await sequenceOf(server),
  })
  const before = await readFile(join(folder, FILE))
  const candidates = [await candidate()]
  const steps = only === undefined ? 1 + random.int(MOST_STEPS) : 1
  for (let step = 0; step < steps; step++) {
    await run.step(random.fork(), only)
    candidates.push(await candidate())
  }
  const after = await readFile(join(folder, FILE))
  const state = crashState(before, after, random)
  if (state === undefined) return undefined
  const copy = await mkdtemp(`${folder}-crash-`)
  await mkdir(dirname(join(copy, FILE)), { recursive: true })
  await writeFile(join(copy, FILE), state)
  crashed = await GatewayServer.start(copy)
  try {
    const had = await found(candidates, await sequenceOf(crashed))
    const { run: resumed } = candidates[had]!
    for (let step = 0; step < STEPS_AFTER; step++) await resumed.step(random.fork())
    await resumed.checkAll()
    await rm(copy, { recursive: true, force: true })
    return { had, of: candidates.length - 1 }
  } finally {
    await crashed.stop()
  }
}

async function sequenceOf(server: GatewayServer): Promise<number> {
  const { json, text } = await server.admin('GET /db/')
  if (typeof json?.update_seq !== 'number') throw new Error(`no database: ${text}`)
  return json.update_seq
}

function crashState(before: Buffer, after: Buffer, random: Random): Buffer | undefined {
  const appended = after.subarray(before.length)
  // The last bytes are of a group that is written once.
  const isSameFile = after.subarray(before.length - 64, before.length).equals(before.subarray(-64))
  if (!isSameFile || appended.length === 0) return undefined
  const kept = random.bool(WHOLE_PROBABILITY) ? appended.length : random.int(appended.length)
  return Buffer.concat([before, appended.subarray(0, kept)])
}

/** The last one that holds. A step that takes no number, as a purge, leaves two at the same. Throws what does not hold. */
async function found(candidates: readonly Candidate[], seq: number): Promise<number> {
  let failure: unknown = new Error(`at sequence ${seq}, where no step had ended`)
  for (const [at, candidate] of [...candidates.entries()].reverse()) {
    if (candidate.seq !== seq) continue
    try {
      await candidate.run.checkAll()
      return at
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
