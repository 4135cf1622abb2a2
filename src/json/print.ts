import { printDeep } from './value-steps.ts'

/**
 * `JSON.stringify` for values of JSON of any depth. The built-in one calls itself for each level and ends with an
 * overflow after some thousands of them; it is tried first, for it is much faster.
 */
export function printValue(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!isStackOverflow(error)) throw error
    return printDeep(value)
  }
}

/** Thrown where a function calls itself too often, for input that is nested too deeply. */
export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message === 'Maximum call stack size exceeded'
}

/** Whether arrays and objects stand in each other more than `most` levels deep. */
export function isDeeper(value: unknown, most: number): boolean {
  let level: unknown[] = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true
    level = level.flatMap((each) => (typeof each === 'object' && each !== null ? Object.values(each) : []))
  }
  return false
}
