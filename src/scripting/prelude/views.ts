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
   * Maps documents, lists of them on each line, with all functions, until the texts end or `sliceMs` are over. What it returns is
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
  const { parse, stringify, freeze, indexOf, slice, now, join, newList, text: asText } = builtins
  let keys = newList()
  let values = newList()
  let count = 0
  /** Rows of a document after which their lists are used again. */
  const mostKept = 16

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
    if (count === 0) return
    keys = newList()
    values = newList()
    count = 0
  }

  /** As rows have it: what JSON knows nothing of is null. */
  function textOf(value: unknown): string {
    if (value === null || value === undefined) return 'null'
    // As a number's text is in JSON, but for those that are none.
    if (typeof value === 'number' && value - value === 0) return asText(value)
    return stringify(value) ?? 'null'
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
      // The lists are kept, and nothing that was in them.
      const isKept = count <= mostKept
      for (let i = 0; i < count; i++) {
        text += textOf(keys[i])
        text += '\x01'
        text += textOf(values[i])
        text += '\x02'
        if (isKept) {
          keys[i] = null
          values[i] = null
        }
      }
      if (isKept) count = 0
    } catch (thrown) {
      survive(thrown, document)
      return ''
    }
    return text
  }

  function map(functions: readonly Fun[], texts: string, isSealing: boolean): string {
    const until = now() + limits.sliceMs
    const parts = newList() as string[]
    let length = 0
    let done = 0
    let at = 0
    let isOver = false
    while (at < texts.length && !isOver) {
      const end = indexOf(texts, '\n', at)
      nextStep()
      const documents = parse(slice(texts, at, end)) as object[]
      at = end + 1
      for (let n = 0; n < documents.length && !isOver; n++) {
        if (n > 0) nextStep()
        const document = documents[n]!
        if (isSealing) seal(document)
        for (let i = 0; i < functions.length; i++) {
          const rows = rowsOf(functions[i]!, document)
          length += rows.length + 1
          parts[parts.length] = rows
        }
        done += 1
        isOver = length > limits.mostCharacters
        // One document's rows are too long; several documents' are merely the end of this slice.
        if (isOver && done === 1) throw ['fatal', 'result_too_long', 'the rows of one document are too long']
        if (now() >= until) isOver = true
      }
    }
    // Each has its end behind it.
    parts[parts.length] = ''
    return `${done}\x04${join(parts, '\x03')}`
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
