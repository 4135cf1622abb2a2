/** The command line of the lab, run in this process. */
import { runLab } from '../../src/lab/command-line.ts'
import { LabError } from '../../src/lab/lab-error.ts'
import { findStrace } from '../../src/lab/syscalls/find-strace.ts'

export interface LabRun {
  readonly status: number
  /** All that was printed, errors in their places. */
  readonly out: string
  /** Of that, what went to standard error. */
  readonly err: string
}

export async function lab(...args: string[]): Promise<LabRun> {
  const printed = { out: '', err: '' }
  const status = await runLab(args, {
    out: (text) => {
      printed.out += text
    },
    err: (text) => {
      printed.out += text
      printed.err += text
    },
  })
  return { status, ...printed }
}

/** Why system calls cannot be recorded here, for tests that do; false where they can. */
export function withoutStrace(): string | false {
  try {
    findStrace()
    return false
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return error.message
  }
}
