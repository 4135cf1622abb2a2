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
