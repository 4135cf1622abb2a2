/** What the fuzzer and the server's program say to each other. */

export interface ToServer {
  readonly id: number
  /** So many fronts are to be ended, 0 for none. */
  readonly kill: number
  /** Chooses which. */
  readonly draw: number
}

export interface FromServer {
  readonly id: number
  /** Fronts that were ended since the server began. */
  readonly kills: number
  /** Client ports of the connections that those had. */
  readonly killed: readonly number[]
  /** Client ports of the connections that each living front has taken. */
  readonly served: readonly (readonly number[])[]
}
