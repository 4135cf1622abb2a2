/**
 * Values inside the engine, where design functions make of everything what they like. The functions of this folder are
 * not run here: `prelude.ts` gives their texts to the engine, so that each of them stands alone and uses nothing of its
 * module but types. Invariants of all of them:
 * - Builtins are taken from `Builtins`, which were picked up before any code of a design document ran. What such code changes
 *   (prototypes, globals) can then mislead nobody but itself, and never who is told of the result.
 * - Whatever reads what a design function has made may run its code, and is bounded by the deadline of the call.
 */
export type Loose = Record<string | number, unknown>

// biome-ignore lint/suspicious/noExplicitAny: a function of somebody else's
export type Fun = (...values: any[]) => unknown

export interface Builtins {
  parse: (text: string) => unknown
  /** Undefined for what JSON cannot say. */
  stringify: (value: unknown) => string | undefined
  freeze: (value: object) => void
  has: (value: unknown, name: string) => boolean
  isArray: (value: unknown) => value is unknown[]
  apply: (callee: Fun, self: unknown, values: readonly unknown[]) => unknown
  evaluate: (script: string) => unknown
  slice: (text: string, start: number, end?: number) => string
  /** What is put into it is put into it alone, whatever became of the prototype of others. */
  newList: () => unknown[]
  join: (list: readonly string[], between: string) => string
  indexOf: (text: string, part: string, from: number) => number
  now: () => number
  text: (value: unknown) => string
  InternalError: new (message: string) => Error
  SyntaxError: new (message: string) => Error
}

export type Host = (operation: number, text: string) => string
