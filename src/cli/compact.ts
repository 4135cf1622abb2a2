import type { ReportFlags } from './check.ts'
import { type Console, EXIT, type Parts } from './parts.ts'
import { progressOf } from './progress.ts'
import { withFile } from './store-file.ts'

/** Compacts a database file that no server has open. */
export function compact(file: string, flags: ReportFlags, parts: Parts, console: Console): Promise<number> {
  return withFile(file, console, async () => {
    const progress = progressOf(console, 'compact', 'entries')
    const report = await parts
      .compactFile(file, (done, total) => progress.update(done, total))
      .finally(() => progress.end())
    if (flags.json === true) {
      console.out(`${JSON.stringify({ file, ...report })}\n`)
      return EXIT.ok
    }
    const { bytesBefore, bytesAfter, resumed } = report
    const how = resumed ? ', gone on from where an earlier compaction ended' : ''
    console.out(`${file}: ${bytesBefore} bytes before, ${bytesAfter} after${how}\n`)
    return EXIT.ok
  })
}
