/** What the process that plays a case is asked, and what it answers. */
import type { Settings } from '../crash/subject.ts'
import type { WrongKind } from '../crash/verdict.ts'
import type { DiskCase } from './disk-lives.ts'

export interface DiskJob {
  /** As behind `--store`. */
  readonly words: string
  readonly settings: Settings
  readonly case_: DiskCase
  /** No life is begun when so many states were tried. */
  readonly states: number
}

export interface DiskOutcome {
  readonly wrong: { readonly kind: WrongKind; readonly what: string } | undefined
  readonly played: readonly number[]
  readonly counts: readonly (readonly [name: string, count: number])[]
}
