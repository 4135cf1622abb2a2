/**
 * Whether somebody is alone with this thread, who loses nothing when it is held for a moment. What holds: a client that asks while
 * others do, or in turns with others, is not alone.
 */

let underWay = 0
let came = 0
/** Of those that came, at the last look. */
let seen = 0

/** To be called when a request begins. */
export function requestBegun(): void {
  underWay += 1
  came += 1
}

/** To be called once for each that began. */
export function requestOver(): void {
  underWay -= 1
}

/** Whether one request is under way, and no other came since this was asked before. */
export function isAlone(): boolean {
  const since = came - seen
  seen = came
  return underWay === 1 && since <= 1
}
