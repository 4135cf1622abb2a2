import { type Console, EXIT, type Parts } from './parts.ts'
import { ProgressBar } from './progress-bar.ts'
import { withFile } from './store-file.ts'

/** Compacts a database file that no server has open. */
export function compact(file: string, parts: Parts, console: Console): Promise<number> {
  return withFile(file, console, async () => {
    const bar = console.errIsTerminal ? new ProgressBar(console.err) : undefined
    const report = await parts
      .compactFile(file, (done, total) => bar?.update(done, total))
      .finally(() => bar?.clear())
    const { bytesBefore, bytesAfter, resumed } = report
    const how = resumed ? ', gone on from where an earlier compaction ended' : ''
    console.out(`${file}: ${bytesBefore} bytes before, ${bytesAfter} after${how}\n`)
    return EXIT.ok
  })
}
