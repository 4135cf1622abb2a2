/**
 * Patterns of PCRE in the words of another engine, where the dialects differ: `$` also stands before a last line
 * break, only a line break ends a line, `\s` is ASCII's, `\w` ISO 8859-1's, a `]` that comes first in a class is one of it, POSIX
 * classes, `\A \z \Z \h \a \e \x{..}`, `(?P<`, options in front. What the other engine cannot say is refused, never
 * taken for something else.
 */
/** Letters of ISO 8859-1, which Erlang's tables of characters are of. */
const UPPER = '\\xc0-\\xd6\\xd8-\\xde'
const LOWER = '\\xaa\\xb5\\xba\\xdf-\\xf6\\xf8-\\xff'
const LETTERS = `a-zA-Z${UPPER}${LOWER}`
const WORD = `${LETTERS}0-9_`
const NO_WORD = '\\x00-\\/:-@\\[-\\^`{-\\xa9\\xab-\\xb4\\xb6-\\xb9\\xbb-\\xbf\\xd7\\xf7'

const POSIX: Readonly<Record<string, string>> = {
  alpha: LETTERS,
  digit: '0-9',
  alnum: `${LETTERS}0-9`,
  upper: `A-Z${UPPER}`,
  lower: `a-z${LOWER}`,
  space: '\\t-\\r ',
  blank: '\\t ',
  punct: '!-\\/:-@\\[-`{-~',
  xdigit: '0-9a-fA-F',
  word: WORD,
  cntrl: '\\x00-\\x1f\\x7f',
  print: ' -~',
  graph: '!-~',
}
const INSIDE: Readonly<Record<string, string>> = {
  w: WORD,
  W: NO_WORD,
  s: '\\t-\\r ',
  S: '\\x00-\\x08\\x0e-\\x1f!-\\xff',
  h: '\\t ',
  b: '\\x08',
}
const BOTH: Readonly<Record<string, string>> = { a: '\\x07', e: '\\x1b' }
const SAME = /[dDnrtfv]/
const SPACES = {
  w: `[${WORD}]`,
  W: `[^${WORD}]`,
  s: '[\\t-\\r ]',
  S: '[^\\t-\\r ]',
  h: '[\\t ]',
  b: '\\b',
  B: '\\B',
}
/** What stands for nothing that is matched is no alternative, and nothing may follow it but the end of one. */
const END_OF_BRANCH = /^(?:$|[)|])/

/** How an engine says what it says otherwise than PCRE. */
export interface Dialect {
  /** Escapes outside of classes. */
  outside: Readonly<Record<string, string>>
  anything: string
  lineStart: string
  lineEnd: string
  /** The end, or a line break that is the last character. */
  lastEnd: string
  /** `lastEnd` takes the line break with it, so that nothing can follow. */
  endTakesBreak: boolean
  namedGroup: string
  /** Groups that look around, and references back. */
  hasLookaround: boolean
}

export const JAVASCRIPT: Dialect = {
  outside: { ...SPACES, A: '(?<![^])', z: '(?![^])' },
  anything: '[^]',
  lineStart: '(?<![^\\n])',
  lineEnd: '(?![^\\n])',
  lastEnd: '(?=\\n?(?![^]))',
  endTakesBreak: false,
  namedGroup: '(?<',
  hasLookaround: true,
}

export const RE2: Dialect = {
  outside: { ...SPACES, A: '\\A', z: '\\z' },
  anything: '(?s:.)',
  lineStart: '(?m:^)',
  lineEnd: '(?m:$)',
  lastEnd: '(?:\\n?\\z)',
  endTakesBreak: true,
  namedGroup: '(?P<',
  hasLookaround: false,
}

/** A pattern that the dialect has no words for. */
export class UnsupportedPattern extends SyntaxError {
  override readonly name = 'UnsupportedPattern'
}

/** A pattern in another dialect. Throws SyntaxError, UnsupportedPattern. */
export class Translation {
  readonly #source: string
  readonly #flags: ReadonlySet<string>
  readonly #dialect: Dialect
  #at = 0
  /** Parts of each group that is open, the innermost last, and of the last one that was complete. */
  readonly #open: number[] = [0]
  #lastPart = 0
  readonly text: string
  /** Whatever may match in more than one way: repetitions, alternatives, references back. */
  choices = 0

  constructor(source: string, flags: ReadonlySet<string>, dialect: Dialect) {
    this.#source = source
    this.#flags = flags
    this.#dialect = dialect
    let text = ''
    while (this.#at < this.#source.length) text += this.#piece()
    this.text = text
  }

  get ignoresCase(): boolean {
    return this.#flags.has('i')
  }

  /** About the size of the pattern with its repetitions written out. */
  get parts(): number {
    return this.#open.reduce((sum, parts) => sum + parts, 0)
  }

  #part(): void {
    this.#add(1)
    this.#lastPart = 1
  }

  #add(parts: number): void {
    this.#open[this.#open.length - 1]! += parts
  }

  /** What the next piece outside of a class becomes. */
  #piece(): string {
    const source = this.#source
    const char = source[this.#at]!
    if (char === '\\') return this.#escape(false)
    if (char === '(') return this.#group()
    if (char === '[') {
      this.#part()
      return this.#class()
    }
    this.#at++
    const multiline = this.#flags.has('m')
    switch (char) {
      case '.':
        this.#part()
        return this.#flags.has('s') ? this.#dialect.anything : '[^\\n]'
      case '^':
        return multiline ? this.#dialect.lineStart : this.#dialect.outside['A']!
      case '$':
        return multiline ? this.#dialect.lineEnd : this.#lastEnd()
      case ')':
        this.#closeGroup()
        return char
      case '|':
        this.choices++
        return char
      case '*':
      case '+':
      case '?':
        this.choices++
        this.#add(1)
        return char
      case '{':
        return this.#counted()
      default:
        this.#part()
        return char
    }
  }

  #lastEnd(): string {
    if (this.#dialect.endTakesBreak && !END_OF_BRANCH.test(this.#source.slice(this.#at, this.#at + 1))) {
      throw new UnsupportedPattern('something follows the end')
    }
    return this.#dialect.lastEnd
  }

  /** Behind the brace. */
  #counted(): string {
    const counted = /^(\d+)(?:,(\d*))?\}/.exec(this.#source.slice(this.#at, this.#at + 24))
    if (counted === null) {
      this.#part()
      return '\\{'
    }
    this.choices++
    const times = Math.max(Number(counted[1]), Number(counted[2] ?? 0), 1)
    this.#add(this.#lastPart * (times - 1))
    this.#lastPart *= times
    return '{'
  }

  #group(): string {
    const rest = this.#source.slice(this.#at, this.#at + 8)
    const [head] = /^\((?:\?(?::|=|!|<=|<!|P?<(?=[A-Za-z_])))?/.exec(rest)!
    if (rest.startsWith('(?') && head === '(') throw new SyntaxError('unsupported group')
    if (rest.startsWith('(*')) throw new SyntaxError('unsupported verb')
    if (/[=!]$/.test(head) && !this.#dialect.hasLookaround) throw new UnsupportedPattern('a look around')
    this.#at += head.length
    this.#open.push(1)
    return /^\(\?P?<$/.test(head) ? this.#dialect.namedGroup : head
  }

  #closeGroup(): void {
    // Too many are the engine's to refuse.
    if (this.#open.length === 1) return
    this.#lastPart = this.#open.pop()!
    this.#add(this.#lastPart)
  }

  #escape(inClass: boolean): string {
    if (!inClass) this.#part()
    const char = this.#source[this.#at + 1]
    if (char === undefined) throw new SyntaxError('\\ at the end of the pattern')
    const near = this.#source.slice(this.#at, this.#at + 8)
    const hex = /^\\x(?:\{([0-9a-fA-F]{1,2})\}|([0-9a-fA-F]{2}))/.exec(near)
    if (hex !== null) {
      this.#at += hex[0].length
      return `\\x${(hex[1] ?? hex[2])!.padStart(2, '0')}`
    }
    this.#at += 2
    if (!inClass && char === 'Z') return this.#lastEnd()
    const own = inClass ? INSIDE : this.#dialect.outside
    const translated = own[char] ?? BOTH[char]
    if (translated !== undefined) return translated
    if (char > '\x7f') return char
    if (!/[A-Za-z0-9]/.test(char) || SAME.test(char)) return `\\${char}`
    if (!inClass && /[1-9]/.test(char)) {
      if (!this.#dialect.hasLookaround) throw new UnsupportedPattern('a reference back')
      this.choices++
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
    if (char === '\\') return this.#escape(true)
    const near = this.#source.slice(this.#at, this.#at + 16)
    const posix = char === '[' ? /^\[:(\^?)([a-z]+):\]/.exec(near) : null
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
