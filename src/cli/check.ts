import { type Console, EXIT, type Parts } from './parts.ts'
import { ProgressBar } from './progress-bar.ts'
import { withStoreFile } from './store-file.ts'

/** Verifies a database file; exit status 1 when it is damaged. Findings go to standard output, one a line. */
export function check(file: string, parts: Parts, console: Console): Promise<number> {
  return withStoreFile(file, parts, console, async (store) => {
    const bar = console.errIsTerminal ? new ProgressBar(console.err) : undefined
    const report = await store.check((done, total) => bar?.update(done, total)).finally(() => bar?.clear())
    for (const { where, what } of report.problems) console.out(`${where}: ${what}\n`)
    if (store.recovery.outcome === 'cut') {
      const { cutBytes, cutAt } = store.recovery
      console.out(`note: an incomplete commit of ${cutBytes} bytes at ${cutAt} was not taken into account\n`)
    }
    const { groups, nodes, entries, values, bytes } = report
    console.out(
      `${file}: ${report.problems.length === 0 ? 'sound' : `damaged, ${report.problems.length} problems`} ` +
        `(${groups} groups, ${nodes} nodes, ${entries} entries, ${values} values, ${bytes} bytes)\n`,
    )
    return report.problems.length === 0 ? EXIT.ok : EXIT.failure
  })
}
