/** Holds a store against the checks, each in a new folder. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Store } from '../api.ts'
import { messageOf } from '../lab-error.ts'
import { CHECKS, NothingToCheck } from './checks.ts'

export interface CheckOutcome {
  readonly name: string
  readonly outcome: 'held' | 'broken' | 'left out'
  /** What is wrong, or which capability is not promised. */
  readonly reason?: string
}

/** Runs every check and tells each outcome as it comes. Resolves with those that the store broke. */
export async function checkStore(
  store: Store,
  settings: Readonly<Record<string, string>>,
  onOutcome: (outcome: CheckOutcome) => void,
): Promise<CheckOutcome[]> {
  const broken: CheckOutcome[] = []
  for (const { name, needs, run } of CHECKS) {
    if (needs !== undefined && !store.capabilities[needs]) {
      onOutcome({ name, outcome: 'left out', reason: `the store does not promise ${needs}` })
      continue
    }
    const folder = await mkdtemp(join(tmpdir(), 'davenport-lab-'))
    let outcome: CheckOutcome = { name, outcome: 'held' }
    try {
      await run({ store, folder, settings })
    } catch (error) {
      const isNothing = error instanceof NothingToCheck
      outcome = { name, outcome: isNothing ? 'left out' : 'broken', reason: messageOf(error) }
      if (!isNothing) broken.push(outcome)
    }
    await rm(folder, { recursive: true, force: true })
    onOutcome(outcome)
  }
  return broken
}
