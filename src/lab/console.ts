/** What the lab's commands write to, and what they end with. */

export interface LabConsole {
  out(text: string): void
  err(text: string): void
}

/** The streams of this process. */
export const processConsole: LabConsole = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
}

/** 0 all is well, 1 something was found or failed, 2 the command line or the adapter makes no sense. */
export type LabStatus = 0 | 1 | 2
