/** The only place, with `random.ts`, that reads the machine's clock; everything else is given a `Now`. */

/** Milliseconds since the Unix epoch. */
export type Now = () => number

export const systemNow: Now = () => Date.now()
