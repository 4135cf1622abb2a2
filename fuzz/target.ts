import type { Script } from './script.ts'

/** Something that plays cases until it is closed. A case that breaks an invariant rejects. */
export interface Player {
  play(script: Script): Promise<void>
  close(): Promise<void>
}

/** What the command line says of a target's own. */
export interface TargetSettings {
  /** For `stores`: which one. */
  readonly store?: string | undefined
  /** For `threads`: how many take requests. */
  readonly threads?: number | undefined
}

/** An entry of the registry. The invariants that a target checks stand at the top of its file. */
export interface Target {
  readonly name: string
  /** One line for `list`. */
  readonly summary: string
  /** Events of one case. A case starts from nothing, so that its length bounds what a failure has to be sought in. */
  readonly caseEvents: number
  /** Events of a smoke run. */
  readonly smokeEvents: number
  /** Counters that no smoke run may leave at zero. */
  readonly rarePaths: readonly string[]
  /** Those of them to which no run with these settings comes. Default none. */
  barredPaths?(settings: TargetSettings): readonly string[]
  /** False where time or processes decide too: a failure is not shrunk, since it may not come again. Default true. */
  readonly repeats?: boolean
  /** An event that takes longer counts as hung. Default 30,000. */
  readonly hangMs?: number
  open(settings?: TargetSettings): Promise<Player>
}

/** The player of a target that keeps nothing from one case to the next. */
export function playerOf(play: (script: Script) => Promise<void>): () => Promise<Player> {
  return async () => ({ play, close: async () => {} })
}

/** The counters that a run with these settings may not leave at zero. */
export function duePaths(target: Target, settings: TargetSettings): string[] {
  const barred = target.barredPaths?.(settings) ?? []
  return target.rarePaths.filter((path) => !barred.includes(path))
}
