import { describeError } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'
import { type Console, EXIT, type Parts } from './parts.ts'
import { ProgressBar } from './progress-bar.ts'

/** Compacts a database file that no server has open. */
export async function compact(file: string, parts: Parts, console: Console): Promise<number> {
  const bar = console.errIsTerminal ? new ProgressBar(console.err) : undefined
  try {
    const report = await parts
      .compactFile(file, (done, total) => bar?.update(done, total))
      .finally(() => bar?.clear())
    const { bytesBefore, bytesAfter, resumed } = report
    const how = resumed ? ', gone on from where an earlier compaction ended' : ''
    console.out(`${file}: ${bytesBefore} bytes before, ${bytesAfter} after${how}\n`)
    return EXIT.ok
  } catch (error) {
    console.err(`davenport: ${file}: ${describeError(error)}\n`)
    return hasCode(error, 'ENOENT') ? EXIT.usage : EXIT.failure
  }
}
