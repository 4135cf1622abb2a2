/**
 * Functions of design documents are written as `function(doc) {...}`, which is no statement of JavaScript: a declaration
 * has a name. CouchDB takes the functions without a name that stand where statements begin for expressions, so that the
 * value of the script is the last one of them; a declaration with a name has no value. `asScript` does so by a text put before
 * each of them. It knows as much of the language's tokens as that takes, and looks at each character once.
 */

/** Makes an expression statement of what follows, whatever stands before. */
const EXPRESSION = ';0,'

const COMMENT = /\/\/[^\n\r\u2028\u2029]*|\/\*[\s\S]*?\*\//y
const STRING = /'(?:[^'\\\n\r]|\\[\s\S])*'|"(?:[^"\\\n\r]|\\[\s\S])*"/y
const REGEX = /\/(?![*/])(?:[^/\\[\n\r]|\\.|\[(?:[^\]\\\n\r]|\\.)*\])+\/[\w$]*/y
const WORD = /[\w$\u0080-\uffff]+/y
const SPACE = /\s+/y
/** What a template literal holds up to its end or its next expression. */
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y
/** Behind these words a slash begins a regular expression. */
const OPERATORS = new Set(
  'return typeof case in of delete void throw new else do await yield instanceof'.split(' '),
)

export interface Token {
  kind: 'space' | 'word' | 'string' | 'regex' | 'template' | 'sign' | 'broken'
  start: number
  end: number
}

/**
 * The tokens of a source: comments are `space`, and a sign is one character. A literal or comment that does not end makes
 * the rest one `broken` token: it is no JavaScript, and to look for more would take the square of its length.
 */
export function* tokensOf(source: string): Generator<Token, void, void> {
  /** For each template literal that is open, the depth of braces in which its expression stands. */
  const templates: number[] = []
  let depth = 0
  let endsValue = false
  let start = 0
  while (start < source.length) {
    const sign = source[start]!
    const isTemplate = sign === '`' || (sign === '}' && templates.at(-1) === depth)
    const kind = isTemplate ? 'template' : kindAt(source, start, endsValue)
    const end = endOf(source, start, kind)
    if (isTemplate) {
      if (sign === '}') templates.pop()
      if (source.endsWith('${', end) || source.slice(end - 2, end) === '${') templates.push(depth)
    } else if (kind === 'sign') {
      if (sign === '{') depth += 1
      else if (sign === '}') depth -= 1
    }
    if (kind === 'sign') endsValue = sign === ')' || sign === ']' || sign === '}'
    else if (kind === 'word') endsValue = !OPERATORS.has(source.slice(start, end))
    else if (kind === 'template') endsValue = source[end - 1] === '`'
    else if (kind !== 'space') endsValue = true
    yield { kind, start, end }
    start = end
  }
}

function kindAt(source: string, at: number, endsValue: boolean): Token['kind'] {
  if (matches(SPACE, source, at) || matches(COMMENT, source, at)) return 'space'
  if (matches(WORD, source, at)) return 'word'
  if (matches(STRING, source, at)) return 'string'
  const sign = source[at]!
  if (sign === '"' || sign === "'" || source.startsWith('/*', at)) return 'broken'
  if (sign !== '/' || endsValue) return 'sign'
  return matches(REGEX, source, at) ? 'regex' : 'broken'
}

function endOf(source: string, at: number, kind: Token['kind']): number {
  if (kind === 'sign') return at + 1
  if (kind === 'broken') return source.length
  if (kind === 'template') {
    TEMPLATE.lastIndex = at + 1
    return TEMPLATE.test(source) ? TEMPLATE.lastIndex : source.length
  }
  const patterns = { space: [SPACE, COMMENT], word: [WORD], string: [STRING], regex: [REGEX] }[kind]
  return patterns.find((pattern) => matches(pattern, source, at))!.lastIndex
}

function matches(pattern: RegExp, source: string, at: number): boolean {
  pattern.lastIndex = at
  return pattern.test(source)
}

/** The source as a script whose value is the function. */
export function asScript(source: string): string {
  const places: number[] = []
  let depth = 0
  let beginsStatement = true
  /** Where a function without a name may have begun. */
  let begun: number | undefined
  let isAsync = false
  for (const { kind, start, end } of tokensOf(source)) {
    if (kind === 'space') continue
    const text = kind === 'word' || kind === 'sign' ? source.slice(start, end) : ''
    if (begun !== undefined && !isAsync) {
      if (text === '(') places.push(begun)
      if (text !== '*') begun = undefined
    }
    if (depth === 0 && text === 'async' && beginsStatement) {
      begun = start
      isAsync = true
    } else if (depth === 0 && text === 'function' && (beginsStatement || isAsync)) {
      begun ??= start
      isAsync = false
    } else if (isAsync) {
      isAsync = false
      begun = undefined
    }
    if (text === '(' || text === '[' || text === '{') depth += 1
    if (text === ')' || text === ']' || text === '}') depth -= 1
    beginsStatement = depth === 0 && (text === ';' || text === '}')
  }
  let script = ''
  let from = 0
  for (const at of places) {
    script += source.slice(from, at) + EXPRESSION
    from = at
  }
  return script + source.slice(from)
}
