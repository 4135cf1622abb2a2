import type { Builtins, Fun, Loose } from './loose.ts'

export interface MediaTypes {
  registerType(name: string, ...types: string[]): void
  provides(name: string, fun: Fun): void
  /** Before each call. */
  reset(): void
  isUsed(): boolean
  /** Runs the function of the type that suits the request best, and returns what it returns. */
  run(request: Loose, self: unknown): unknown
  /** The type that was chosen; null when none was. */
  chosen(): string | null
}

/** `provides` and `registerType`: the best type of those that a function offers, by the rules of Mimeparse. */
export function makeMediaTypes({ apply }: Builtins): MediaTypes {
  const types: Record<string, string[]> = { __proto__: null } as never
  const names: Record<string, string> = { __proto__: null } as never
  let offers: [name: string, fun: Fun][] = []
  let used = false
  let type: string | null = null

  function registerType(name: string, ...its: string[]): void {
    types[name] = its
    for (const each of its) names[each] = name
  }

  const REGISTERED: [string, ...string[]][] = [
    ['all', '*/*'],
    ['text', 'text/plain; charset=utf-8', 'txt'],
    ['html', 'text/html; charset=utf-8'],
    ['xhtml', 'application/xhtml+xml', 'xhtml'],
    ['xml', 'application/xml', 'text/xml', 'application/x-xml'],
    ['js', 'text/javascript', 'application/javascript', 'application/x-javascript'],
    ['css', 'text/css'],
    ['ics', 'text/calendar'],
    ['csv', 'text/csv'],
    ['rss', 'application/rss+xml'],
    ['atom', 'application/atom+xml'],
    ['yaml', 'application/x-yaml', 'text/yaml'],
    ['multipart_form', 'multipart/form-data'],
    ['url_encoded_form', 'application/x-www-form-urlencoded'],
    ['json', 'application/json', 'text/x-json'],
  ]
  for (const [name, ...its] of REGISTERED) registerType(name, ...its)

  interface Range {
    type: string
    subtype: string
    parameters: Record<string, string>
  }

  function rangeOf(source: string): Range {
    const [whole = '', ...rest] = source.split(';')
    const parameters: Record<string, string> = { __proto__: null } as never
    for (const part of rest) {
      const [key = '', value, ...more] = part.split('=')
      if (value !== undefined && more.length === 0) parameters[key.trim()] = value.trim()
    }
    const quality = Number.parseFloat(parameters['q'] ?? '')
    if (!(quality >= 0 && quality <= 1)) parameters['q'] = '1'
    const [first = '', second = ''] = (whole.trim() === '*' ? '*/*' : whole.trim()).split('/')
    return { type: first, subtype: second, parameters }
  }

  const agree = (a: string, b: string): boolean => a === b || a === '*' || b === '*'

  /** How well the best of the ranges fits, and with what quality. */
  function fitnessOf(candidate: string, ranges: readonly Range[]): [number, number] {
    const wanted = rangeOf(candidate)
    let fitness = -1
    let quality = 0
    for (const range of ranges) {
      if (!agree(range.type, wanted.type) || !agree(range.subtype, wanted.subtype)) continue
      let fit = (range.type === wanted.type ? 100 : 0) + (range.subtype === wanted.subtype ? 10 : 0)
      for (const key in wanted.parameters) {
        if (key !== 'q' && range.parameters[key] === wanted.parameters[key]) fit += 1
      }
      if (fit <= fitness) continue
      fitness = fit
      quality = Number.parseFloat(range.parameters['q'] ?? '0')
    }
    return [fitness, quality]
  }

  /** Empty when none suits. Ties go as texts sort. */
  function bestOf(supported: readonly string[], accept: string): string {
    const ranges = accept.split(',').map(rangeOf)
    const weighted = supported.map((each, index) => ({ each, key: [fitnessOf(each, ranges), index, each] }))
    const keyOf = (entry: { key: unknown }): string => String(entry.key)
    weighted.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
    const best = weighted.at(-1)
    return best !== undefined && (best.key[0] as [number, number])[1] > 0 ? best.each : ''
  }

  function run(request: Loose, self: unknown): unknown {
    const accept = ((request['headers'] ?? {}) as Loose)['Accept'] as string | undefined
    const format = ((request['query'] ?? {}) as Loose)['format'] as string | undefined
    let name: string | undefined
    if (format) {
      name = format
      type = types[name]?.[0] ?? null
    } else if (accept) {
      offers.reverse()
      const supported = offers.flatMap(([offered]) => types[offered] ?? [])
      type = bestOf(supported, accept)
      name = names[type]
    } else {
      name = offers[0]?.[0]
      type = types[name ?? '']?.[0] ?? null
    }
    const best = name === undefined ? undefined : offers.find(([offered]) => offered === name)
    if (best !== undefined) return apply(best[1], self, [])
    const offered = offers.map(([each]) => types[each]?.join(', ') || each).join(', ')
    const reason = `Content-Type ${accept || name} not supported, try one of: ${offered}`
    throw ['error', 'not_acceptable', reason]
  }

  return {
    registerType,
    provides(name, fun) {
      used = true
      offers.push([name, fun])
    },
    reset() {
      used = false
      offers = []
      type = null
    },
    isUsed: () => used,
    run,
    chosen: () => type,
  }
}
