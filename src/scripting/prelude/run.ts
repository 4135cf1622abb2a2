import type { makeFailures } from './failures.ts'
import type { makeFunctions } from './functions.ts'
import type { Builtins, Fun, Host, Loose } from './loose.ts'
import type { makeMediaTypes } from './media-types.ts'
import type { makeRender } from './render.ts'
import type { makeViews, ReduceLimit } from './views.ts'

/** What is asked of a design document, as a text of JSON. */
export type Task =
  | { do: 'call'; path: string[]; values: unknown[] }
  | { do: 'list'; path: string[]; values: unknown[] }
  /** The functions of views, for `map` and `reduce`; a reduction's have the reduce. */
  | { do: 'compile'; view: string; part: 'map' | 'reduce' }

/** Set once for each engine. */
export interface Wiring {
  operations: { script: number; rows: number; log: number; memory: number }
  limits: { mostRows: number; mostCharacters: number; sliceMs: number }
}

/** What the functions of the other files make, each of which is handed over by itself. */
export interface Factories {
  failures: typeof makeFailures
  functions: typeof makeFunctions
  media: typeof makeMediaTypes
  render: typeof makeRender
  views: typeof makeViews
}

/** The functions that the host calls. Each returns a text whose first character says how it ended. */
export interface Entry {
  run(task: string): string
  map(views: string, texts: string, isSealing: number): string
  reduce(views: string, texts: string, isAgain: number, limit: string): string
}

/**
 * Puts the parts together, and gives design functions their globals. A text that is returned begins with R, for a result;
 * E, for `[error, reason]`; or X, `[error, reason]` of an engine whose memory or stack is at its end.
 */
export function wire(
  builtins: Builtins,
  factories: Factories,
  host: Host,
  steps: Uint32Array,
  designText: string,
  wiringText: string,
): Entry {
  const { parse, stringify, apply, isArray } = builtins
  const { operations, limits } = parse(wiringText) as Wiring
  const design = parse(designText) as Loose
  const nextStep = (): void => {
    steps[0] = (steps[0]! + 1) | 0
  }
  const failures = factories.failures(builtins, host, operations.memory)
  const log = (message: unknown): void => {
    host(operations.log, typeof message === 'string' ? message : failures.textOf(message))
  }
  const functions = factories.functions(builtins, failures, host, operations.script, design)
  const media = factories.media(builtins)
  const render = factories.render(builtins, failures, media, host, operations.rows, nextStep, design)
  const views = factories.views(builtins, failures, log, nextStep, limits)

  function sum(numbers: Loose): number {
    let result = 0
    for (const index in numbers) result += numbers[index] as number
    return result
  }

  const globals = globalThis as unknown as Loose
  for (const name of ['SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry']) {
    delete globals[name]
  }
  const given: Loose = {
    emit: views.emit,
    sum,
    log,
    toJSON: (value: unknown) => builtins.stringify(value),
    isArray: (value: unknown) => isArray(value),
    require: functions.require,
    provides: media.provides,
    registerType: media.registerType,
    start: render.start,
    send: render.send,
    getRow: render.getRow,
  }
  for (const name in given) globals[name] = given[name]

  function validate(fun: Fun, values: unknown[]): string {
    let thrown: unknown
    try {
      const result = apply(fun, design, values)
      // An asynchronous function has judged nothing when it returns.
      if (result instanceof Promise) throw ['error', 'unknown_error', 'validation cannot be asynchronous']
      return 'R'
    } catch (error) {
      thrown = error
    }
    if (failures.isExhausted(thrown)) throw thrown
    if (isArray(thrown) && failures.isNamed(thrown)) throw thrown
    if (thrown === 1 || thrown === true) return 'R'
    if (typeof thrown === 'object' && thrown !== null) {
      const { name, stack } = thrown as Loose
      if (name && stack) throw thrown
      const said = parse(builtins.stringify(thrown) ?? 'null') as Loose | null
      const members = said === null || isArray(said) ? [] : Object.keys(said)
      if (members.length === 1) {
        const kind = members[0]!
        const error = kind === 'forbidden' || kind === 'unauthorized' ? kind : 'unknown_error'
        throw ['error', error, said![kind]]
      }
    }
    throw ['error', 'unknown_error', thrown === undefined ? 'undefined' : thrown]
  }

  function isPassed(fun: Fun, self: unknown, values: unknown[]): boolean {
    nextStep()
    return Boolean(apply(fun, self, values))
  }

  /** A digit for each document: whatever is done to prototypes, nothing else comes of it. */
  function filter(fun: Fun, [documents, request]: unknown[]): string {
    let passed = 'R'
    const list = documents as unknown[]
    for (let i = 0; i < list.length; i++) passed += isPassed(fun, design, [list[i], request]) ? '1' : '0'
    return passed
  }

  function filterByView(fun: Fun, [documents]: unknown[]): string {
    let passed = 'R'
    const list = documents as unknown[]
    for (let i = 0; i < list.length; i++) {
      views.forget()
      isPassed(fun, undefined, [list[i]])
      passed += views.hasEmitted() ? '1' : '0'
    }
    return passed
  }

  function call(path: string[], values: unknown[]): string {
    const fun = functions.at(path)
    switch (path[0]) {
      case 'validate_doc_update':
        return validate(fun, values)
      case 'filters':
        return filter(fun, values)
      case 'views':
        return filterByView(fun, values)
      case 'shows':
        return `R${render.show(fun, values)}`
      case 'updates': {
        const [document, answer] = render.update(fun, values)
        return `R${document}\x01${answer}`
      }
      case 'rewrites':
        return `R${render.rewrite(fun, values)}`
      case 'lists':
        return `R${render.list(fun, values)}`
      default:
        throw ['error', 'unknown_command', `unknown ddoc command '${path[0]}'`]
    }
  }

  function attempt(run: () => string): string {
    try {
      return run()
    } catch (thrown) {
      try {
        if (failures.isExhausted(thrown)) return told('X', failures.source(thrown), '')
        const [error, reason] = failures.describe(thrown)
        return told('E', error, reason)
      } catch {
        // What was thrown throws when it is looked at.
        return told('E', 'unnamed_error', 'an error that cannot be read')
      }
    }
  }

  /** Strings alone are printed: for an object `toJSON` would be looked for. */
  function told(status: 'E' | 'X', error: string, reason: string): string {
    return `${status}[${stringify(error)},${stringify(reason)}]`
  }

  function compileView(view: string, part: 'map' | 'reduce'): Fun {
    return functions.compile(((design['views'] as Loose)[view] as Loose)[part])
  }

  const maps: Record<string, Fun[]> = { __proto__: null } as never
  const reduces: Record<string, Fun[]> = { __proto__: null } as never

  /** `names` is a list of views as JSON, and the same for each batch. */
  function functionsOf(known: Record<string, Fun[]>, names: string, part: 'map' | 'reduce'): Fun[] {
    let found = known[names]
    if (found === undefined) {
      found = (parse(names) as string[]).map((name) => compileView(name, part))
      known[names] = found
    }
    return found
  }

  return {
    run: (text) =>
      attempt(() => {
        const task = parse(text) as Task
        if (task.do !== 'compile') return call(task.path, task.values)
        compileView(task.view, task.part)
        return 'R'
      }),
    map: (names, texts, isSealing) =>
      attempt(() => `R${views.map(functionsOf(maps, names, 'map'), texts, isSealing !== 0)}`),
    reduce: (names, texts, isAgain, limit) =>
      attempt(() => {
        const functionList = functionsOf(reduces, names, 'reduce')
        return `R${views.reduce(functionList, texts, isAgain !== 0, parse(limit) as ReduceLimit)}`
      }),
  }
}
