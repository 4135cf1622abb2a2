/**
 * `davenport serve` of the package's own parts, in a process that also ends a front when it is told to: at each SIGUSR2 it
 * terminates one of `Fronts.workers`, and says `front ended` once that thread is gone.
 */
import { writeSync } from 'node:fs'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { processConsole } from '../../src/cli/process-console.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { Fronts } from '../../src/threads/fronts.ts'

let fronts: Fronts | undefined

async function endOne(): Promise<void> {
  const workers = fronts?.workers ?? []
  const worker = workers[Math.floor(Math.random() * workers.length)]
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
