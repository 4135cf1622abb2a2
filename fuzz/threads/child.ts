/**
 * `davenport serve` of the package's own parts, in a process that also ends a front when it is told to: at each SIGUSR2 it
 * terminates one of `Fronts.workers` after the other, and says `front ended` once that thread is gone.
 */
import { writeSync } from 'node:fs'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { processConsole } from '../../src/cli/process-console.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { Fronts } from '../../src/threads/fronts.ts'

let fronts: Fronts | undefined
/** How many were ended: the next is another one. */
let ended = 0

async function endOne(): Promise<void> {
  const workers = fronts?.workers ?? []
  const worker = workers[ended % workers.length]
  ended += 1
  await worker?.terminate()
  writeSync(1, 'front ended\n')
}

process.on('SIGUSR2', () => void endOne())

const parts: typeof systemParts = {
  ...systemParts,
  async startHttp(server) {
    const listener = await systemParts.startHttp(server)
    if (!(listener instanceof Fronts)) throw new Error('the settings ask for no fronts')
    fronts = listener
    return listener
  },
}

process.exit(await runCommandLine(process.argv.slice(2), parts, processConsole()))
