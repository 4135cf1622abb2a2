import { type Console, EXIT, type Parts } from './parts.ts'
import { progressOf } from './progress.ts'
import { withStoreFile } from './store-file.ts'

export interface ReportFlags {
  /** One object of JSON instead of lines for people. */
  readonly json?: boolean
}

/** Verifies a database file; exit status 1 when it is damaged. Findings go to standard output, one a line. */
export function check(file: string, flags: ReportFlags, parts: Parts, console: Console): Promise<number> {
  return withStoreFile(file, parts, console, async (store) => {
    const progress = progressOf(console, 'check', 'B')
    const report = await store
      .check((done, total) => progress.update(done, total))
      .finally(() => progress.end())
    const { problems, problemCount, leftovers, groups, nodes, entries, values, bytes } = report
    const state = store.recovery.outcome
    const status = problemCount === 0 ? EXIT.ok : EXIT.failure
    if (flags.json === true) {
      console.out(`${JSON.stringify({ file, sound: problemCount === 0, state, ...report })}\n`)
      return status
    }
    for (const { where, what } of problems) console.out(`${where}: ${what}\n`)
    for (const { where, what } of leftovers) console.out(`note: ${where}: ${what}\n`)
    const isClosed = state === 'clean' && leftovers.length === 0
    const verdict = problemCount === 0 ? 'sound' : `damaged, ${problemCount} problems`
    // A server that has it open looks like one that was killed.
    const note = isClosed ? '' : '; not closed: a server has it open, or the next opening recovers it'
    console.out(
      `${file}: ${verdict}${note} ` +
        `(${groups} groups, ${nodes} nodes, ${entries} entries, ${values} values, ${bytes} bytes)\n`,
    )
    return status
  })
}
