import { type Console, EXIT, type Parts } from './parts.ts'
import { ProgressBar } from './progress-bar.ts'
import { withStoreFile } from './store-file.ts'

/** Verifies a database file; exit status 1 when it is damaged. Findings go to standard output, one a line. */
export function check(file: string, parts: Parts, console: Console): Promise<number> {
  return withStoreFile(file, parts, console, async (store) => {
    const bar = console.errIsTerminal ? new ProgressBar(console.err) : undefined
    const report = await store.check((done, total) => bar?.update(done, total)).finally(() => bar?.clear())
    const { problems, problemCount, leftovers, groups, nodes, entries, values, bytes } = report
    for (const { where, what } of problems) console.out(`${where}: ${what}\n`)
    for (const { where, what } of leftovers) console.out(`note: ${where}: ${what}\n`)
    const isClosed = store.recovery.outcome === 'clean' && leftovers.length === 0
    const verdict = problemCount === 0 ? 'sound' : `damaged, ${problemCount} problems`
    // A server that has it open looks like one that was killed.
    const state = isClosed ? '' : '; not closed: a server has it open, or the next opening recovers it'
    console.out(
      `${file}: ${verdict}${state} ` +
        `(${groups} groups, ${nodes} nodes, ${entries} entries, ${values} values, ${bytes} bytes)\n`,
    )
    return problems.length === 0 ? EXIT.ok : EXIT.failure
  })
}
