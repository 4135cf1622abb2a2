/** Figures of all rounds, by engine and name. */
import { type Spread, spreadOf } from '../../src/lab/measure/statistics.ts'
import type { Figures } from './step.ts'

export class Results {
  readonly #byEngine = new Map<string, Map<string, number[]>>()

  /** @param suffix is put before the first dot of each name, to set apart what two steps measure alike. */
  add(engine: string, figures: Figures, suffix = ''): void {
    let names = this.#byEngine.get(engine)
    if (names === undefined) {
      names = new Map()
      this.#byEngine.set(engine, names)
    }
    for (const [name, value] of Object.entries(figures)) {
      const full = suffixed(name, suffix)
      const values = names.get(full)
      if (values === undefined) names.set(full, [value])
      else values.push(value)
    }
  }

  values(engine: string, name: string): readonly number[] {
    return this.#byEngine.get(engine)?.get(name) ?? []
  }

  spread(engine: string, name: string): Spread {
    return spreadOf(this.values(engine, name))
  }

  /** NaN for what was not measured. */
  median(engine: string, name: string): number {
    return this.spread(engine, name).median
  }

  engines(): string[] {
    return [...this.#byEngine.keys()]
  }

  names(engine: string): string[] {
    return [...(this.#byEngine.get(engine)?.keys() ?? [])]
  }

  /** For JSON: every figure with its spread and the values of the rounds. */
  toJSON(): Record<string, Record<string, Spread & { rounds: readonly number[] }>> {
    const all: Record<string, Record<string, Spread & { rounds: readonly number[] }>> = {}
    for (const [engine, names] of this.#byEngine) {
      const figures: Record<string, Spread & { rounds: readonly number[] }> = {}
      for (const [name, rounds] of names) figures[name] = { ...spreadOf(rounds), rounds }
      all[engine] = figures
    }
    return all
  }
}

function suffixed(name: string, suffix: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? name + suffix : name.slice(0, dot) + suffix + name.slice(dot)
}
