/**
 * Map functions see frozen documents: what one of them writes must not be seen by the next. Freezing costs a third of a
 * simple map, so it is left out where no function of the design document has anything in its text that could write to an object.
 * That is decided by tokens alone, and whatever is not known to be harmless counts as writing.
 */
import { tokensOf } from './function-statements.ts'

/** Names by which objects are written to, or by which such a name could be come by. */
const WRITING = new Set(
  `delete eval Function Object Reflect Array Proxy prototype constructor __proto__ call apply bind require this globalThis
  with push pop shift unshift splice sort reverse fill copyWithin defineProperty class super
  __defineGetter__ __defineSetter__ Symbol`.split(/\s+/),
)
const COMPARED = new Set('= ! < >'.split(' '))

/** Whether the function could write to an object that it is given. */
export function mayWrite(source: string): boolean {
  const tokens: string[] = []
  for (const { kind, start, end } of tokensOf(source)) {
    if (kind === 'space') continue
    if (kind === 'broken') return true
    if (kind === 'word' || kind === 'sign') {
      const text = source.slice(start, end)
      if (WRITING.has(text) || text === '\\' || text === '#' || text === '@') return true
      // Two signs that stand apart are two operators.
      const isJoined = start > 0 && !/\s/.test(source[start - 1]!)
      tokens.push(kind === 'sign' && !isJoined ? ` ${text}` : text)
    } else tokens.push(kind === 'template' ? '`' : '"')
  }
  return tokens.some((_, index) => writesAt(tokens, index))
}

function writesAt(tokens: readonly string[], index: number): boolean {
  const token = tokens[index]!.trim()
  const before = (tokens[index - 1] ?? '').trim()
  const after = (tokens[index + 1] ?? '').trim()
  if (token === '=') {
    if (after === '=' || after === '>' || COMPARED.has(before)) return isShift(tokens, index)
    return !isSimple(tokens, targetAt(tokens, index))
  }
  if ((token === '+' || token === '-') && after === token && tokens[index + 1] === token) {
    return !isSimple(tokens, index - 1) && !isSimpleBefore(tokens, index + 2)
  }
  if (token === 'of' || token === 'in') {
    return !isSimple(tokens, index - 1) || !/^(?:var|let|const|\()$/.test((tokens[index - 2] ?? '').trim())
  }
  // It may begin a regular expression, in which nothing is what it looks like.
  if (token === '/' && (before === ')' || before === '}')) return true
  // A method by a computed name.
  return token === ']' && (after === '(' || after === '`' || after === '?')
}

/** `>>=` and `<<=` look like comparisons. */
function isShift(tokens: readonly string[], index: number): boolean {
  const signs = [tokens[index - 2], tokens[index - 1]].map((token) => (token ?? '').trim())
  return signs[0] === signs[1] && (signs[0] === '<' || signs[0] === '>')
}

/** Where the name stands that is assigned to: operators such as `+=`, `||=` and `**=` stand before the sign. */
function targetAt(tokens: readonly string[], index: number): number {
  let at = index - 1
  while (at >= 0 && /^[-+*/%&|^?<>]$/.test(tokens[at]!.trim())) at -= 1
  return at
}

/** A variable, and not a member. */
function isSimple(tokens: readonly string[], index: number): boolean {
  const isWord = /^[\w$\u0080-\uffff]+$/.test((tokens[index] ?? '').trim())
  return isWord && (tokens[index - 1] ?? '').trim() !== '.'
}

function isSimpleBefore(tokens: readonly string[], index: number): boolean {
  return isSimple(tokens, index) && !['.', '[', '(', '?', '`'].includes((tokens[index + 1] ?? '').trim())
}
