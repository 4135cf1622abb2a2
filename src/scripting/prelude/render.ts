import type { Failures } from './failures.ts'
import type { Builtins, Fun, Host, Loose } from './loose.ts'
import type { MediaTypes } from './media-types.ts'

export interface Render {
  start(answer: unknown): void
  send(chunk: unknown): void
  getRow(): unknown
  /** All three return texts of JSON: the answer; the document and the answer; the rest of the answer's chunks. */
  show(fun: Fun, values: unknown[]): string
  update(fun: Fun, values: unknown[]): [document: string, answer: string]
  list(fun: Fun, values: unknown[]): string
  rewrite(fun: Fun, values: unknown[]): string
}

/**
 * Shows, updates, lists and rewrites. `takeRows` is the host's operation that takes a text of what the list has sent
 * so far, `{start?, chunks}`, and gives rows, one on each line; none when there are no more. `start` comes again where
 * the list has called start() again, and counts as long as nothing was sent.
 */
export function makeRender(
  builtins: Builtins,
  failures: Failures,
  media: MediaTypes,
  host: Host,
  takeRows: number,
  /** Called for each row: its time begins. */
  nextRow: () => void,
  design: unknown,
): Render {
  const { apply, stringify, parse, indexOf, slice, isArray } = builtins
  /** Texts that are sent when so many characters of them have come together. */
  const FLUSH = 16_384

  let sent = ''
  let hasSent = false
  let answer: Loose = {}
  let isList = false
  let isStarted = false
  /** The answer that start() gave was not told the host yet. */
  let isAnswerNew = true
  /** Something that was sent is on its way: as in CouchDB that is so when the list asks for a row, or ends. */
  let isAnswerFixed = false
  let isEnded = false
  let rows = ''
  let at = 0

  function reset(): void {
    sent = ''
    hasSent = false
    answer = {}
    isStarted = false
    isAnswerNew = true
    isAnswerFixed = false
    isEnded = false
    rows = ''
    at = 0
    media.reset()
  }

  function withType(made: Loose): Loose {
    const headers = (made['headers'] || {}) as Loose
    made['headers'] = headers
    const type = media.chosen()
    if (type) headers['Content-Type'] = headers['Content-Type'] || type
    return made
  }

  function wrap(made: unknown): unknown {
    return typeof made === 'string' ? { body: made } : made
  }

  function isAnswer(made: unknown): made is Loose {
    return typeof made === 'object' && made !== null && !isArray(made)
  }

  function start(made: unknown): void {
    if (isList && isAnswerFixed) return
    answer = (made || {}) as Loose
    isAnswerNew = true
  }

  function send(chunk: unknown): void {
    sent += (chunk as string).toString()
    hasSent = true
    if (isList && isStarted && sent.length >= FLUSH) exchange(false)
  }

  /** Gives the host what was sent; takes rows with `isAsking`. */
  function exchange(isAsking: boolean): string {
    const step: Loose = { __proto__: null, chunks: sent, ask: isAsking } as never
    // The type that provides() chose goes with the first answer alone, as in CouchDB.
    if (isAnswerNew) step['start'] = isStarted ? answer : withType(answer)
    isAnswerNew = false
    if (hasSent) isAnswerFixed = true
    sent = ''
    isStarted = true
    return host(takeRows, stringify(step)!)
  }

  function getRow(): unknown {
    if (!isList) throw ['error', 'list_error', 'only lists have rows']
    if (isEnded) return null
    if (hasSent && isStarted) isAnswerFixed = true
    if (at === rows.length) {
      rows = exchange(true)
      at = 0
      if (rows === '') {
        isEnded = true
        return null
      }
    }
    nextRow()
    const end = indexOf(rows, '\n', at)
    const row = parse(slice(rows, at, end))
    at = end + 1
    return row
  }

  function failed(thrown: unknown): never {
    if (failures.isExhausted(thrown) || failures.isNamed(thrown)) throw thrown
    const stack = thrown instanceof Error ? failures.textOf(thrown.stack) : ''
    const reason = `function raised error: ${failures.source(thrown)} \nstacktrace: ${stack}`
    throw ['error', 'render_error', reason]
  }

  function shown(fun: Fun, values: unknown[]): unknown {
    const made = wrap(apply(fun, design, values) || {}) as Loose
    if (hasSent) {
      const headers = (made['headers'] || {}) as Loose
      made['headers'] = headers
      for (const header in answer) headers[header] = answer[header]
      made['body'] = sent + ((made['body'] as string) || '')
      sent = ''
      hasSent = false
      answer = {}
    }
    if (media.isUsed()) {
      const provided = wrap(media.run(values[1] as Loose, design) || {}) as Loose
      made['body'] = ((made['body'] as string) || '') + sent + ((provided['body'] as string) || '')
      return withType(made)
    }
    return made
  }

  function show(fun: Fun, values: unknown[]): string {
    reset()
    isList = false
    try {
      const made = shown(fun, values)
      if (!isAnswer(made)) throw ['error', 'render_error', 'undefined response from show function']
      return stringify(made) ?? 'null'
    } catch (thrown) {
      const path = (values[1] as Loose)['path'] as unknown[] | undefined
      const isOfDocument = values[0] === null && path !== undefined && path.length > 5
      if (isOfDocument && !failures.isExhausted(thrown)) throw ['error', 'not_found', 'document not found']
      return failed(thrown)
    }
  }

  function update(fun: Fun, values: unknown[]): [string, string] {
    reset()
    isList = false
    try {
      if ((values[1] as Loose)['method'] === 'GET') {
        throw ['error', 'method_not_allowed', 'Update functions do not allow GET']
      }
      const result = apply(fun, design, values) as Loose
      const document = result[0]
      const made = result[1]
      if (typeof made !== 'string' && !isAnswer(made)) {
        throw ['error', 'render_error', 'undefined response from update function']
      }
      return [(isAnswer(document) && stringify(document)) || 'null', stringify(wrap(made)) ?? 'null']
    } catch (thrown) {
      return failed(thrown)
    }
  }

  function list(fun: Fun, values: unknown[]): string {
    reset()
    isList = true
    try {
      let tail = apply(fun, design, values)
      if (media.isUsed()) tail = media.run(values[1] as Loose, design)
      if (tail !== undefined) {
        sent += failures.textOf(tail)
        hasSent = true
      }
      // CouchDB makes the answer of what start() was given when there is something to send.
      if (!hasSent) start(null)
      if (isAnswerNew) exchange(false)
      return stringify(sent) ?? '""'
    } catch (thrown) {
      return failed(thrown)
    }
  }

  function rewrite(fun: Fun, values: unknown[]): string {
    let result: unknown
    try {
      result = apply(fun, design, values)
    } catch (thrown) {
      return failed(thrown)
    }
    if (!result) return 'null'
    if (typeof result === 'string') {
      return stringify({ path: result, method: (values[0] as Loose)['method'] }) ?? 'null'
    }
    return stringify(result) ?? 'null'
  }

  return { start, send, getRow, show, update, list, rewrite }
}
