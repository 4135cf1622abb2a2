/** What the threads of `derive.ts` are given: the arguments of PBKDF2. */
export interface Derivation {
  readonly password: string
  readonly salt: string
  readonly iterations: number
  readonly bytes: number
  readonly digest: string
}

/** Of a processor that others want: nothing, or a tenth. All jobs of a thread have the same. */
export type Share = 'whatIsLeft' | 'little'

export interface DeriveJob extends Derivation {
  readonly share: Share
}
