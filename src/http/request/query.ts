/** The parameters of a query string, in order, as texts: `parameters.ts` reads them. */
export class Query {
  readonly pairs: readonly (readonly [string, string])[]

  constructor(pairs: readonly (readonly [string, string])[]) {
    this.pairs = pairs
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    for (const [key, value] of this.pairs) if (key === name) return value
    return undefined
  }

  /** The last value of that name. */
  last(name: string): string | undefined {
    return this.pairs.findLast(([key]) => key === name)?.[1]
  }

  /** Whether any pair says exactly `name=true`. Anything else counts as absent, as CouchDB's document reads do. */
  flag(name: string): boolean {
    return this.pairs.some(([key, value]) => key === name && value === 'true')
  }
}
