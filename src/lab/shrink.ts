/**
 * Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002): drops ever
 * smaller runs of events as long as what is left still fails, until no single one can go.
 */
export async function shrink(
  numbers: readonly number[],
  fails: (numbers: readonly number[]) => Promise<boolean>,
  /** Asked before each try; false ends the search with the shortest list so far. */
  goesOn: () => boolean = () => true,
): Promise<readonly number[]> {
  let shortest = numbers
  let size = Math.max(1, Math.floor(numbers.length / 2))
  for (;;) {
    let dropped = false
    for (let at = 0; at < shortest.length; ) {
      if (!goesOn()) return shortest
      const shorter = [...shortest.slice(0, at), ...shortest.slice(at + size)]
      if (shorter.length > 0 && (await fails(shorter))) {
        shortest = shorter
        dropped = true
      } else {
        at += size
      }
    }
    if (size === 1 && !dropped) return shortest
    size = Math.max(1, Math.min(Math.floor(size / 2), Math.floor(shortest.length / 2)))
  }
}
