/** Counts of what a run came across, by name: a run that never reached a rare path must not pass as one that did. */
export class Coverage {
  readonly #counts = new Map<string, number>()

  count(name: string, times = 1): void {
    this.#counts.set(name, this.of(name) + times)
  }

  /** Keeps the largest value instead of a sum. */
  most(name: string, value: number): void {
    this.#counts.set(name, Math.max(this.of(name), value))
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  /** Those of `names` that were never reached. */
  missing(names: readonly string[]): string[] {
    return names.filter((name) => this.of(name) === 0)
  }

  entries(): [string, number][] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Adds the counts of another run; a name that begins with "longest" keeps the larger one. */
  add(entries: Iterable<readonly [string, number]>): void {
    for (const [name, count] of entries) {
      if (name.startsWith('longest')) this.most(name, count)
      else this.count(name, count)
    }
  }
}
