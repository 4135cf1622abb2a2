/** What the fuzzer and the server's program say to each other. */

export interface ToServer {
  readonly id: number
  /** So many fronts are to be ended, 0 for none. */
  readonly kill: number
  /** Chooses which. */
  readonly draw: number
}

/** A connection: systems give the ports of those that were closed to others. */
export interface TakenPort {
  /** The client's. */
  readonly port: number
  /** When a front took it, since the epoch. */
  readonly takenMs: number
}

export interface FromServer {
  readonly id: number
  /** Fronts that were ended since the server began. */
  readonly kills: number
  /** The last connection of each port that those had. */
  readonly killed: readonly TakenPort[]
  /** The last one of each port that each living front has taken. */
  readonly served: readonly (readonly TakenPort[])[]
}
