/** What the threads of `derive.ts` are given: the arguments of PBKDF2. */
export interface Derivation {
  readonly password: string
  readonly salt: string
  readonly iterations: number
  readonly bytes: number
  readonly digest: string
  /** Many others wait: the thread has next to nothing of processors that somebody else wants. */
  readonly isCrowded?: boolean
}
