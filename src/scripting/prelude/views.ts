import type { Failures } from './failures.ts'
import type { Builtins, Fun, Loose } from './loose.ts'

export interface ReduceLimit {
  /** 'log' tells of it only. */
  mode: 'true' | 'false' | 'log'
  /** Characters that a reduction may always have. */
  threshold: number
  /** Beyond that, so many times longer than the reduction must what it was made of be. */
  ratio: number
}

export interface Views {
  emit(key: unknown, value: unknown): void
  /** Whether anything was emitted since `forget`. */
  hasEmitted(): boolean
  forget(): void
  /**
   * Maps documents, one on each line, with all functions, until the texts end or `sliceMs` are over. What it returns is
   * laid out as `rows.ts` says, and begins with the number of documents that are done.
   */
  map(functions: readonly Fun[], texts: string, isSealing: boolean): string
  /** Reduces groups, one on each line, with all functions; laid out likewise. */
  reduce(functions: readonly Fun[], texts: string, isAgain: boolean, limit: ReduceLimit): string
}

export function makeViews(
  builtins: Builtins,
  failures: Failures,
  log: (message: unknown) => void,
  /** Called for each document or group: its time begins. */
  nextStep: () => void,
  limits: { mostRows: number; mostCharacters: number; sliceMs: number },
): Views {
  const { parse, stringify, freeze, indexOf, slice, now } = builtins
  let keys: unknown[] = []
  let values: unknown[] = []
  let count = 0

  function emit(key: unknown, value: unknown): void {
    if (count >= limits.mostRows) {
      count = limits.mostRows + 1
      throw ['fatal', 'too_many_rows', `more than ${limits.mostRows} rows of one document`]
    }
    keys[count] = key
    values[count] = value
    count += 1
  }

  function forget(): void {
    keys = []
    values = []
    count = 0
  }

  function seal(value: object): void {
    freeze(value)
    for (const name in value) {
      const member = (value as Loose)[name]
      if (typeof member === 'object' && member !== null) seal(member)
    }
  }

  /** Throws what ends the whole batch; whatever else a function throws means that it gave nothing. */
  function survive(thrown: unknown, document: unknown): void {
    if (failures.isExhausted(thrown)) throw thrown
    if (thrown === 'fatal_error') {
      throw ['error', 'map_runtime_error', "function raised 'fatal_error'"]
    }
    if (typeof thrown === 'object' && (thrown as Loose)[0] === 'fatal') throw thrown
    const of = document === undefined ? '' : ` with doc._id ${failures.textOf((document as Loose)['_id'])}`
    log(`function raised exception ${failures.source(thrown)}${of}`)
  }

  function rowsOf(fun: Fun, document: unknown): string {
    forget()
    let text = ''
    try {
      fun(document)
      if (count > limits.mostRows) emit(null, null)
      for (let i = 0; i < count; i++) {
        const key = keys[i]
        const value = values[i]
        text += key === null || key === undefined ? 'null' : (stringify(key) ?? 'null')
        text += '\x01'
        text += value === null || value === undefined ? 'null' : (stringify(value) ?? 'null')
        text += '\x02'
      }
    } catch (thrown) {
      survive(thrown, document)
      return ''
    }
    return text
  }

  function map(functions: readonly Fun[], texts: string, isSealing: boolean): string {
    const until = now() + limits.sliceMs
    let out = ''
    let done = 0
    let at = 0
    while (at < texts.length) {
      const end = indexOf(texts, '\n', at)
      nextStep()
      const document = parse(slice(texts, at, end)) as object
      at = end + 1
      if (isSealing) seal(document)
      for (let i = 0; i < functions.length; i++) out += `${rowsOf(functions[i]!, document)}\x03`
      done += 1
      if (out.length > limits.mostCharacters) {
        // One document's rows are too long; several documents' are merely the end of this slice.
        if (done === 1) throw ['fatal', 'result_too_long', 'the rows of one document are too long']
        break
      }
      if (now() >= until) break
    }
    return `${done}\x04${out}`
  }

  function reduceOne(fun: Fun, group: unknown[], isAgain: boolean): unknown {
    if (isAgain) return fun(null, group, true)
    const rowKeys: unknown[] = []
    const rowValues: unknown[] = []
    for (let i = 0; i < group.length; i++) {
      const row = group[i] as [unknown, unknown]
      rowKeys[i] = row[0]
      rowValues[i] = row[1]
    }
    return fun(rowKeys, rowValues, false)
  }

  function reductionOf(fun: Fun, text: string, isAgain: boolean): string {
    try {
      // Each function has keys and values of its own: none sees what another wrote.
      return stringify(reduceOne(fun, parse(text) as unknown[], isAgain)) ?? 'null'
    } catch (thrown) {
      survive(thrown, undefined)
      return 'null'
    }
  }

  function reduce(functions: readonly Fun[], texts: string, isAgain: boolean, limit: ReduceLimit): string {
    const until = now() + limits.sliceMs
    let out = ''
    let done = 0
    let at = 0
    while (at < texts.length) {
      const end = indexOf(texts, '\n', at)
      nextStep()
      const text = slice(texts, at, end)
      at = end + 1
      let reductions = ''
      for (let i = 0; i < functions.length; i++) {
        reductions += `${reductionOf(functions[i]!, text, isAgain)}\x02`
      }
      const size = reductions.length
      if (limit.mode !== 'false' && size > limit.threshold && size * limit.ratio > text.length) {
        const told = `Reduce output must shrink more rapidly: input size: ${text.length} output size: ${size}`
        if (limit.mode === 'log') log(`reduce_overflow_error: ${told}`)
        else reductions = `\x05${told}`
      }
      out += `${reductions}\x03`
      done += 1
      if (now() >= until || out.length > limits.mostCharacters) break
    }
    return `${done}\x04${out}`
  }

  return { emit, hasEmitted: () => count > 0, forget, map, reduce }
}
