/**
 * Erlang terms as CouchDB's configuration has them in some values: lists, tuples, strings, atoms and integers. Atoms become
 * `{ atom }`, tuples arrays with `isTuple`, so that nothing is taken for something else.
 */
export type Term = string | number | Atom | Term[] | Tuple

export interface Atom {
  readonly atom: string
}

export interface Tuple {
  readonly tuple: readonly Term[]
}

const MOST_DEPTH = 10

/** Throws an Error that says what was expected. */
export function parseTerm(text: string): Term {
  const reader = new TermReader(text)
  const term = reader.term(0)
  reader.end()
  return term
}

export function isTuple(term: Term | undefined): term is Tuple {
  return typeof term === 'object' && 'tuple' in term
}

/** `[{name, value}, name]`, as options are given: each name with its value, true where there is none. */
export function parseOptions(text: string): ReadonlyMap<string, Term | true> {
  const expected = new Error('options as [{nodelay, true}]')
  const list = text.trim() === '' ? [] : parseTerm(text)
  if (!Array.isArray(list)) throw expected
  const options = new Map<string, Term | true>()
  for (const each of list) {
    const [name, value] = isTuple(each) ? each.tuple : [each, true as const]
    if (typeof name !== 'object' || !('atom' in name)) throw expected
    if (value === undefined || (isTuple(each) && each.tuple.length !== 2)) throw expected
    options.set(name.atom, value)
  }
  return options
}

const TOKEN = /\s*(?:([[\]{},])|"((?:[^"\\]|\\.)*)"|(-?\d+)|([a-z][A-Za-z0-9_@]*))/suy

class TermReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  term(depth: number): Term {
    if (depth > MOST_DEPTH) throw this.#fault()
    const [, sign, quoted, digits, atom] = this.#next()
    if (quoted !== undefined) return unescaped(quoted)
    if (digits !== undefined) return Number(digits)
    if (atom !== undefined) return { atom }
    if (sign === '[') return this.#until(']', depth)
    if (sign === '{') return { tuple: this.#until('}', depth) }
    throw this.#fault()
  }

  end(): void {
    if (this.#text.slice(this.#at).trim() !== '') throw this.#fault()
  }

  #until(close: string, depth: number): Term[] {
    const terms: Term[] = []
    if (this.#skips(close)) return terms
    for (;;) {
      terms.push(this.term(depth + 1))
      if (this.#skips(close)) return terms
      if (!this.#skips(',')) throw this.#fault()
    }
  }

  #skips(sign: string): boolean {
    const before = this.#at
    const [, found] = this.#next()
    if (found === sign) return true
    this.#at = before
    return false
  }

  #next(): RegExpExecArray {
    TOKEN.lastIndex = this.#at
    const match = TOKEN.exec(this.#text)
    if (match === null) throw this.#fault()
    this.#at = TOKEN.lastIndex
    return match
  }

  #fault(): Error {
    return new Error('a term of Erlang, as ["text", {name, 1}]')
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', s: ' ' }

function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char)
}
