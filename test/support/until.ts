import { setTimeout as sleep } from 'node:timers/promises'

const STEP_MS = 2
const STEPS = 2500

/** Resolves when the condition holds; throws, naming it, when it does not in a long while. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = STEPS; left > 0; left--) {
    if (await condition()) return
    await sleep(STEP_MS)
  }
  throw new Error(`it never came to pass: ${what}`)
}
