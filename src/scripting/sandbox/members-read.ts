/**
 * Which members of a document a map looks at, where its text says so: most of the time of a simple map goes into parsing what it
 * never asks for. That is decided by tokens alone. A document may be seen without its other members where the function is
 * one whole, its first parameter stands nowhere but before the name of a member (or where it is asked for its truth), and nothing in it can reach an
 * object other than by name (through `arguments`, or from a prototype, whose methods see all of `this`).
 */
import { tokensOf } from './function-statements.ts'

/** Names by which a function could come by its arguments, by prototypes, or by other code. */
const REACHING = new Set(
  `eval Function Reflect Proxy Symbol prototype constructor __proto__ getPrototypeOf setPrototypeOf defineProperty
  defineProperties call apply bind arguments caller callee require this globalThis with super class import async
  __defineGetter__ __defineSetter__ __lookupGetter__ __lookupSetter__`.split(/\s+/),
)
/** What of `Object` can do no harm. */
const OF_OBJECT = new Set(['keys', 'values', 'entries'])
const WORD = /^[\w$\u0080-\uffff]+$/

/** Undefined where the text has what could reach an object other than by its name. */
function harmlessTokens(source: string): string[] | undefined {
  // Comments of a kind that is no comment elsewhere.
  if (source.includes('<!--') || source.includes('-->')) return undefined
  const tokens: string[] = []
  for (const { kind, start, end } of tokensOf(source)) {
    if (kind === 'space') continue
    const text = source.slice(start, end)
    const before = tokens.at(-1)
    if (kind === 'broken' || REACHING.has(text)) return undefined
    if (kind === 'sign' && '\\#@'.includes(text)) return undefined
    // It may begin a regular expression, in which nothing is what it looks like.
    if (text === '/' && (before === ')' || before === '}')) return undefined
    tokens.push(kind === 'template' ? '`' : kind === 'regex' ? '/ /' : text)
  }
  for (const [at, token] of tokens.entries()) {
    if (token === 'Object' && !(tokens[at + 1] === '.' && OF_OBJECT.has(tokens[at + 2]!))) return undefined
  }
  return tokens
}

/** Whether a function that is run beside maps leaves them what they are. */
export function isHarmless(source: string): boolean {
  return harmlessTokens(source) !== undefined
}

/** Undefined: it may look at any. */
export function membersRead(source: string): Set<string> | undefined {
  const tokens = harmlessTokens(source)
  const head = tokens && headOf(tokens)
  if (tokens === undefined || head === undefined || !isOneBlock(tokens, head.body)) return undefined
  const { parameter } = head
  const members = new Set<string>()
  for (let at = head.body; parameter !== undefined && at < tokens.length; at++) {
    if (tokens[at] !== parameter) continue
    if (tokens[at - 1] === '.') {
      // The name of a member, but for `...parameter`.
      if (tokens[at - 2] === '.') return undefined
      continue
    }
    if (isAskedWhetherThere(tokens, at)) continue
    const name = memberAt(tokens, at + 1)
    if (name === undefined) return undefined
    members.add(name)
  }
  return members
}

/** The first parameter, if there is one, and where the body begins, of `function (a) {` and of `(a) => {` and `a => {`. */
function headOf(tokens: readonly string[]): { parameter: string | undefined; body: number } | undefined {
  let at = 0
  const isArrow = tokens[0] !== 'function'
  if (!isArrow) {
    at = WORD.test(tokens[1] ?? '') ? 2 : 1
    if (tokens[at] !== '(') return undefined
  }
  const isListed = tokens[at] === '('
  const first = tokens[isListed ? at + 1 : at] ?? ''
  const isEmpty = isListed && first === ')'
  if (!isEmpty && !WORD.test(first)) return undefined
  const end = isListed ? at + (isEmpty ? 1 : 2) : at
  if (isListed && tokens[end] !== ')') return undefined
  const body = end + (isArrow ? 3 : 1)
  if (isArrow && !(tokens[end + 1] === '=' && tokens[end + 2] === '>')) return undefined
  return { parameter: isEmpty ? undefined : first, body }
}

/** Whether what begins at `start` is a block, and nothing stands behind it. */
function isOneBlock(tokens: readonly string[], start: number): boolean {
  if (tokens[start] !== '{') return false
  let depth = 0
  for (let at = start; at < tokens.length; at++) {
    if (tokens[at] === '{') depth += 1
    if (tokens[at] === '}') depth -= 1
    if (depth === 0) return tokens.slice(at + 1).every((token) => token === ';')
  }
  return false
}

/** `doc && ...` and `!doc`, which nothing but the truth comes of. */
function isAskedWhetherThere(tokens: readonly string[], at: number): boolean {
  const [before, after, behind] = [tokens[at - 1]!, tokens[at + 1]!, tokens[at + 2]]
  if (before === '!') return [')', '|', '&', ';'].includes(after)
  return after === '&' && behind === '&' && ['(', '&', '|', ';', '{', '}', 'return'].includes(before)
}

/** The member that `.name`, `?.name` or `['name']` at a place names, if it is not called. */
function memberAt(tokens: readonly string[], start: number): string | undefined {
  let at = start
  let name: string | undefined
  if (tokens[at] === '?') at += 1
  if (tokens[at] === '.') {
    name = tokens[at + 1]
    if (!WORD.test(name ?? '')) return undefined
    at += 2
  } else {
    const text = tokens[at + 1] ?? ''
    if (at !== start || tokens[at] !== '[' || !/^(['"])[^\\]*\1$/.test(text) || tokens[at + 2] !== ']') {
      return undefined
    }
    name = text.slice(1, -1)
    at += 3
  }
  const isCalled = tokens[at] === '(' || tokens[at] === '`' || (tokens[at] === '?' && tokens[at + 1] === '.')
  return isCalled ? undefined : name
}
