/** Failures planned ahead, matched to the operations of a simulated disk as they come. */

export type OperationKind =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'syncDirectory'

export interface Fault {
  readonly on: OperationKind
  /** The whole path, or a pattern it must match; any path when absent. */
  readonly path?: string | RegExp
  /** Lets this many matching operations pass first. Default 0. */
  readonly after?: number
  /** How many fail; Infinity for good. Default 1. */
  readonly times?: number
  /** Default 'EIO'. */
  readonly code?: string
  /** Of a sync: the chance for each unsynced sector to be lost. Drawn when absent. */
  readonly losing?: number
  /** Of a write: the bytes written before it fails. Drawn when absent. */
  readonly written?: number
  /** Of a sync, of a file or a folder: it resolves, and nothing is durable by it. */
  readonly lies?: boolean
}

/** The machine lost its power: the process that sees this would no longer exist. */
export class PowerLoss extends Error {
  readonly code = 'POWER_LOSS'

  constructor() {
    super('The simulated machine has no power.')
  }
}

/** An error as node:fs throws it. */
export function systemError(code: string, syscall: string, path: string): Error {
  return Object.assign(new Error(`${code}: simulated, ${syscall} '${path}'`), { code, syscall, path })
}

interface PlannedFault {
  readonly fault: Fault
  toPass: number
  toFail: number
}

export class FaultPlan {
  private readonly planned = new Set<PlannedFault>()
  private count = 0

  /** Operations that have met a fault. */
  get met(): number {
    return this.count
  }

  add(fault: Fault): () => void {
    const planned = { fault, toPass: fault.after ?? 0, toFail: fault.times ?? 1 }
    this.planned.add(planned)
    return () => {
      this.planned.delete(planned)
    }
  }

  /** The fault that this operation meets. Each planned fault counts the operations that match it. */
  take(kind: OperationKind, path: string): Fault | undefined {
    let met: Fault | undefined
    for (const planned of this.planned) {
      if (planned.fault.on !== kind || !matches(planned.fault.path, path)) continue
      if (planned.toPass > 0) {
        planned.toPass--
      } else if (met === undefined) {
        met = planned.fault
        this.count++
        planned.toFail--
        if (planned.toFail <= 0) this.planned.delete(planned)
      }
    }
    return met
  }
}

function matches(pattern: string | RegExp | undefined, path: string): boolean {
  if (pattern === undefined) return true
  return typeof pattern === 'string' ? pattern === path : pattern.test(path)
}
