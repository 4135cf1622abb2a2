import type { Failures } from './failures.ts'
import type { Builtins, Fun, Host, Loose } from './loose.ts'

export interface Functions {
  /** The function of this text; a text is compiled once. Throws CouchDB's `["error", name, reason]`. */
  compile(source: unknown): Fun
  /** The function at this place of the design document, which is there. */
  at(path: readonly string[]): Fun
  require: (name: string) => unknown
}

/** A place in the design document on the way to a module. */
interface Place {
  value: unknown
  above: Place | undefined
  id: string | undefined
}

/** `script` is the host's operation that makes a script of a function's text. */
export function makeFunctions(
  builtins: Builtins,
  failures: Failures,
  host: Host,
  script: number,
  design: unknown,
): Functions {
  const { evaluate, has, text, stringify, apply } = builtins
  const compiled: Record<string, Fun> = { __proto__: null } as never
  const modules: Record<string, unknown> = { __proto__: null } as never

  function compile(source: unknown): Fun {
    if (typeof source === 'function') return source as Fun
    const known = typeof source === 'string' ? compiled[source] : undefined
    if (known !== undefined) return known
    if (!source) throw ['error', 'not_found', 'missing function']
    let value: unknown
    try {
      value = typeof source === 'string' ? evaluate(host(script, source)) : undefined
    } catch (thrown) {
      if (failures.isExhausted(thrown)) throw thrown
      throw ['error', 'compilation_error', `${failures.source(thrown)} (${text(source)})`]
    }
    if (typeof value !== 'function') {
      const reason = `Expression does not eval to a function. (${failures.textOf(source)})`
      throw ['error', 'compilation_error', reason]
    }
    compiled[source as string] = value as Fun
    return value as Fun
  }

  function at(path: readonly string[]): Fun {
    let value = design
    for (let i = 0; i < path.length; i++) {
      if (!has(value, path[i]!)) throw ['error', 'not_found', `missing json key: ${path[i]}`]
      value = (value as Loose)[path[i]!]
    }
    return compile(value)
  }

  function noParent(place: Place | undefined): unknown {
    return ['error', 'invalid_require_path', `Object has no parent ${stringify(place?.value)}`]
  }

  /** Walks from `from`, the folder of the module that asks, or from the whole document. */
  function resolve(name: string, from: Place | undefined): Place {
    const steps = text(name).split('/')
    const root: Place = { value: design, above: undefined, id: undefined }
    let place: Place = root
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i]!
      if (i === 0 && (step === '.' || step === '..')) {
        if (from === undefined) throw noParent(from)
        place = from
      }
      if (step === '.') continue
      if (step === '..') {
        if (place.above === undefined || place.above.above === undefined) throw noParent(place)
        place = place.above
        continue
      }
      const { value } = place
      if (!has(value, step)) {
        const reason = `Object has no property "${step}". ${stringify(value)}`
        throw ['error', 'invalid_require_path', reason]
      }
      const id = place.id === undefined ? step : `${place.id}/${step}`
      place = { value: (value as Loose)[step], above: place, id }
    }
    if (typeof place.value !== 'string') {
      const reason = `Must require a JavaScript string, not: ${typeof place.value}`
      throw ['error', 'invalid_require_path', reason]
    }
    return place
  }

  function load(name: string, from: Place | undefined): unknown {
    const place = resolve(name, from)
    const id = place.id!
    if (id in modules) return modules[id]
    const module = { id, current: place.value, parent: place.above, exports: {} as unknown }
    // Modules that require each other see what the other has exported so far.
    modules[id] = module.exports
    try {
      const body = evaluate(`(function (module, exports, require) { ${place.value}\n })`) as Fun
      const requireThere = (other: string): unknown => load(other, place.above)
      apply(body, globalThis, [module, module.exports, requireThere])
    } catch (thrown) {
      delete modules[id]
      if (failures.isExhausted(thrown)) throw thrown
      const reason = `Module require('${name}') raised error ${failures.source(thrown)}`
      throw ['error', 'compilation_error', reason]
    }
    modules[id] = module.exports
    return module.exports
  }

  return { compile, at, require: (name) => load(name, undefined) }
}
