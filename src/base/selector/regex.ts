/**
 * `$regex`: CouchDB hands pattern and text to PCRE as bytes. Here both become strings of which each character
 * is one byte, and the pattern is translated where the two dialects differ: `$` also stands before a last line
 * break, only a line break ends a line, `\s` is ASCII's, a `]` that comes first in a class is one of it, POSIX
 * classes, `\A \z \Z \h \a \e \x{..}`, `(?P<`, options in front. What JavaScript cannot say is refused, never
 * taken for something else.
 *
 * A pattern can take time that is exponential in the text. PCRE gives up after a number of steps, and the text counts as
 * not matching; here it is the selector's budget that ends it. A pattern without groups that repeats one thing at most
 * takes no more steps than the square of the text's length; every other one, and every long text, is watched by a
 * thread of its own, which costs some 50 µs.
 */
import { type Context, createContext, Script } from 'node:vm'
import type { SelectorBudget } from './budget.ts'

/** Bytes, about as many as PCRE takes. */
const MOST_PATTERN_BYTES = 32 * 1024
/** Bytes of a text and of a pattern that need no watch. */
const HARMLESS_LENGTH = 2048
const HARMLESS_PATTERN_BYTES = 256
/** A machine that stands still for a moment must not be taken for a pattern that takes too long: it is tried twice. */
const ATTEMPTS = 2
const ATTEMPT_MS = 30

const POSIX: Readonly<Record<string, string>> = {
  alpha: 'a-zA-Z',
  digit: '0-9',
  alnum: 'a-zA-Z0-9',
  upper: 'A-Z',
  lower: 'a-z',
  space: '\\t-\\r ',
  blank: '\\t ',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9a-fA-F',
  word: '\\w',
  cntrl: '\\x00-\\x1f\\x7f',
  print: ' -~',
  graph: '!-~',
}
const OUTSIDE: Readonly<Record<string, string>> = {
  A: '(?<![^])',
  z: '(?![^])',
  Z: '(?=\\n?(?![^]))',
  s: '[\\t-\\r ]',
  S: '[^\\t-\\r ]',
  h: '[\\t ]',
  b: '\\b',
  B: '\\B',
}
const INSIDE: Readonly<Record<string, string>> = {
  s: '\\t-\\r ',
  S: '\\x00-\\x08\\x0e-\\x1f!-\\xff',
  h: '\\t ',
  b: '\\x08',
}
const BOTH: Readonly<Record<string, string>> = { a: '\\x07', e: '\\x1b' }
const SAME = /[dDwWnrtfv]/

/** True where a text matches. */
export type TextTest = (text: string) => boolean

/** Throws SyntaxError for a pattern that is none, is too long, or cannot be said in JavaScript. */
export function compileRegex(pattern: string, budget: SelectorBudget): TextTest {
  const bytes = Buffer.from(pattern).toString('latin1')
  if (bytes.length > MOST_PATTERN_BYTES) throw new SyntaxError('too long')
  const options = /^\(\?([ims]+)\)/.exec(bytes)
  const flags = new Set(options?.[1])
  const translation = new Translation(bytes.slice(options?.[0].length ?? 0), flags)
  const regex = new RegExp(translation.translate(), flags.has('i') ? 'i' : '')
  // Patterns are compiled when they are first used, and only then found too large.
  regex.test('')
  const isHarmless =
    !translation.hasGroups && translation.repeats <= 1 && bytes.length <= HARMLESS_PATTERN_BYTES
  return (text) => {
    const subject = Buffer.from(text).toString('latin1')
    return isHarmless && subject.length <= HARMLESS_LENGTH
      ? regex.test(subject)
      : guarded(regex, subject, budget)
  }
}

/** One context serves all: a new one costs a millisecond, and scripts run one at a time. */
let shared: { sandbox: { regex: RegExp; text: string }; context: Context; script: Script } | undefined

/** Throws selectorTimeout. */
function guarded(regex: RegExp, text: string, budget: SelectorBudget): boolean {
  for (let left = ATTEMPTS; left > 0; left--) {
    const timeoutMs = Math.ceil(Math.min(ATTEMPT_MS, budget.requireTime()))
    const isMatch = watched(regex, text, timeoutMs)
    if (isMatch !== undefined) return isMatch
  }
  return budget.giveUp()
}

/** Undefined when it took longer. */
function watched(regex: RegExp, text: string, timeoutMs: number): boolean | undefined {
  if (shared === undefined) {
    const sandbox = { regex, text }
    shared = { sandbox, context: createContext(sandbox), script: new Script('regex.test(text)') }
  }
  const { sandbox, context, script } = shared
  sandbox.regex = regex
  sandbox.text = text
  try {
    return script.runInContext(context, { timeout: timeoutMs }) === true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined
    throw error
  } finally {
    sandbox.text = ''
  }
}

class Translation {
  readonly #source: string
  readonly #flags: ReadonlySet<string>
  #at = 0
  /** Whatever may match more or less of a text, and references back. */
  repeats = 0
  hasGroups = false

  constructor(source: string, flags: ReadonlySet<string>) {
    this.#source = source
    this.#flags = flags
  }

  translate(): string {
    let out = ''
    while (this.#at < this.#source.length) out += this.#piece()
    return out
  }

  /** What the next piece outside of a class becomes. */
  #piece(): string {
    const source = this.#source
    const char = source[this.#at]!
    if (char === '\\') return this.#escape(OUTSIDE)
    if (char === '[') return this.#class()
    if (char === '(') return this.#group()
    this.#at++
    if (char === '.') return this.#flags.has('s') ? '[^]' : '[^\\n]'
    if (char === '^') return this.#flags.has('m') ? '(?<![^\\n])' : '(?<![^])'
    if (char === '$') return this.#flags.has('m') ? '(?![^\\n])' : OUTSIDE['Z']!
    if (char === '*' || char === '+' || char === '?') this.repeats++
    if (char === '{') {
      const counted = /^\d+(,\d*)?\}/.exec(source.slice(this.#at))
      if (counted === null) return '\\{'
      this.repeats++
    }
    return char
  }

  #group(): string {
    this.hasGroups = true
    const rest = this.#source.slice(this.#at)
    const named = /^\(\?P</.exec(rest)
    if (named !== null) {
      this.#at += named[0].length
      return '(?<'
    }
    const known = /^\((?:\?(?::|=|!|<=|<!|<(?=[A-Za-z_])))?/.exec(rest)!
    if (rest.startsWith('(?') && known[0] === '(') throw new SyntaxError('unsupported group')
    if (rest.startsWith('(*')) throw new SyntaxError('unsupported verb')
    this.#at += known[0].length
    return known[0]
  }

  #escape(own: Readonly<Record<string, string>>): string {
    const char = this.#source[this.#at + 1]
    if (char === undefined) throw new SyntaxError('\\ at the end of the pattern')
    const hex = /^\\x(?:\{([0-9a-fA-F]{1,2})\}|([0-9a-fA-F]{2}))/.exec(this.#source.slice(this.#at))
    if (hex !== null) {
      this.#at += hex[0].length
      return `\\x${(hex[1] ?? hex[2])!.padStart(2, '0')}`
    }
    this.#at += 2
    const translated = own[char] ?? BOTH[char]
    if (translated !== undefined) return translated
    if (!/[A-Za-z0-9]/.test(char)) return `\\${char}`
    if (SAME.test(char)) return `\\${char}`
    if (own === OUTSIDE && /[1-9]/.test(char)) {
      this.repeats++
      return `\\${char}`
    }
    throw new SyntaxError(`unsupported escape \\${char}`)
  }

  #class(): string {
    const source = this.#source
    this.#at++
    let out = '['
    if (source[this.#at] === '^') {
      out += '^'
      this.#at++
    }
    for (let first = true; ; first = false) {
      const char = source[this.#at]
      if (char === undefined) throw new SyntaxError('a class without an end')
      if (char === ']' && !first) break
      out += this.#member(char)
    }
    this.#at++
    return `${out}]`
  }

  #member(char: string): string {
    if (char === '\\') return this.#escape(INSIDE)
    const posix = char === '[' ? /^\[:(\^?)([a-z]+):\]/.exec(this.#source.slice(this.#at)) : null
    if (posix !== null) {
      const set = POSIX[posix[2]!]
      if (set === undefined || posix[1] === '^') throw new SyntaxError('unsupported class')
      this.#at += posix[0].length
      return set
    }
    this.#at++
    return char === ']' || char === '[' ? `\\${char}` : char
  }
}
