/**
 * Continuous replications that have nothing to do: what each keeps in the memory of the server that runs it, and the CPU time that all
 * take together. Those of `local` are between databases of the server; those of `pull` wait for a server of its own, and those of
 * `push` write to it. Their databases are open before the first begins.
 *
 * Wanted: less than 50 KB each, of the heap and of what lies beside it, after a collection; and no CPU time that can be measured, beside
 * that of the same server with the same databases and without them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { call } from '../test/support/replicated.ts'
import type { ServerProcess } from '../test/support/server-process.ts'

export interface IdleSite {
  readonly process: ServerProcess
  readonly url: string
}

const MOST_KILOBYTES = 50
/** What a start and an end leave to be done, such as trees that are written, is over when the server takes next to nothing for so long. */
const SETTLE_STEP_MS = 10_000
const SETTLED_SHARE = 0.5
const MOST_STEPS = 12
/** A step of what the kernel counts is 10 ms. */
const IDLE_MS = 30_000
const TOLD = /memory (\d+) of (\d+)\n/g

/** For node: tells what is in use after a collection whenever it gets the signal. */
export const TELLING_MEMORY = [
  '--expose-gc',
  '--import',
  `data:text/javascript,${encodeURIComponent(
    `let n = 0
    process.on('SIGUSR2', async () => {
      for (let i = 0; i < 4; i++) { gc(); await new Promise((r) => setTimeout(r, 100)) }
      const { heapUsed, external } = process.memoryUsage()
      process.stderr.write('memory ' + (heapUsed + external) + ' of ' + ++n + '\\n')
    })`,
  )}`,
]

export async function idleReplications(
  [here, there]: readonly [IdleSite, IdleSite],
  count: number,
  print: (line: string) => void,
): Promise<void> {
  for (const kind of ['local', 'pull', 'push'] as const) {
    const names = Array.from({ length: count }, (_, at) => `${kind}-${at}`)
    const sourceOf = (name: string): string => (kind === 'pull' ? `${there.url}/${name}` : name)
    const targetOf = (name: string): string =>
      kind === 'push' ? `${there.url}/${name}-copy` : `${name}-copy`
    const source = kind === 'pull' ? there : here
    const target = kind === 'push' ? there : here
    for (const name of names) {
      await call(source.url, 'PUT', `/${name}`)
      await call(source.url, 'PUT', `/${name}/d`, {})
      await call(target.url, 'PUT', `/${name}-copy`)
      // Their checkpoints, and whatever a first use makes, are there before.
      const once = { source: sourceOf(name), target: targetOf(name) }
      const { status, body } = await call(here.url, 'POST', '/_replicate', once)
      if (status !== 200) throw new Error(JSON.stringify(body))
    }
    await settled(here)
    const without = await shareOf(here, IDLE_MS)
    const before = await memoryOf(here)
    const start = (name: string, rest: object): Promise<unknown> =>
      call(here.url, 'POST', '/_replicate', {
        source: sourceOf(name),
        target: targetOf(name),
        continuous: true,
        ...rest,
      })
    for (const name of names) await start(name, {})
    await settled(here)
    const kilobytes = ((await memoryOf(here)) - before) / count / 1024
    const share = await shareOf(here, IDLE_MS)
    print(
      `${count} idle, ${kind}: ${kilobytes.toFixed(1)} KB each (at most ${MOST_KILOBYTES}), ${share.toFixed(2)} % of a core, ${without.toFixed(2)} % without them`,
    )
    if (kilobytes > MOST_KILOBYTES) process.exitCode = 1
    for (const name of names) await start(name, { cancel: true })
  }
}

/** Of a core, in per cent, that the server takes while nobody asks it for anything. */
async function shareOf({ process }: IdleSite, forMs: number): Promise<number> {
  const pid = process.child.process.pid!
  const [cpuBefore, startMs] = [processCpuUs(pid), performance.now()]
  await sleep(forMs)
  return (processCpuUs(pid) - cpuBefore) / 10 / (performance.now() - startMs)
}

async function settled(site: IdleSite): Promise<void> {
  for (let step = 0; step < MOST_STEPS; step++) {
    if ((await shareOf(site, SETTLE_STEP_MS)) < SETTLED_SHARE) return
  }
}

let asked = 0

async function memoryOf({ process }: IdleSite): Promise<number> {
  asked += 1
  process.child.process.kill('SIGUSR2')
  const wanted = asked
  await process.child.until(new RegExp(`memory \\d+ of ${wanted}\\n`), 'err')
  const found = [...process.child.err.matchAll(TOLD)].find(([, , at]) => Number(at) === wanted)
  return Number(found![1])
}
