/**
 * `$regex`: CouchDB hands pattern and text to PCRE as bytes. Here both become strings of which each character is one byte.
 * Whoever sends a pattern must not be able to hold the server with it, so what holds is:
 * - Patterns are matched by re2js, whose time is linear in the text, whatever the pattern. Neither matching nor compiling can
 *   explode; the size to which counted repetitions grow a pattern is bounded.
 * - What that cannot do (looking around, references back, a `$` that something follows) is left to the engine of JavaScript, if
 *   there are few choices in the pattern: its matching is exponential in them, and so is its compiling, which nothing
 *   can interrupt.
 * - What may take long is watched by a thread, which costs some 50 µs, and ends when the time for the document does.
 * PCRE gives up after a number of steps, and then the text counts as not matching; here the request is refused.
 */
import { createRequire } from 'node:module'
import { type Context, createContext, Script } from 'node:vm'
import type { SelectorBudget } from './budget.ts'
import { type Dialect, JAVASCRIPT, RE2, Translation, UnsupportedPattern } from './regex-translation.ts'

/** Parts of a pattern, its repetitions written out: it takes some 10 ms to compile so many. */
const MOST_PARTS = 4000
/** Characters of a pattern for JavaScript, and what may match in more than one way. */
const MOST_BACKTRACKING_LENGTH = 512
const MOST_CHOICES = 12
/** Parts times bytes of a text that need no watch: some milliseconds. */
const QUICK_WORK = 256 * 1024
/** The square of the length of a text that needs no watch either where a pattern has one choice. */
const MOST_SQUARE = 4 * 1024 * 1024
/** A machine that stands still for a moment must not be taken for a pattern that takes too long: it is tried twice. */
const ATTEMPTS = 2
const ATTEMPT_MS = 30

const require = createRequire(import.meta.url)
let loaded: typeof import('re2js') | undefined

/** Loaded with the first pattern: its tables take some MiB of each thread that has them. */
function re2(): typeof import('re2js') {
  loaded ??= require('re2js') as typeof import('re2js')
  return loaded
}

/** True where a text matches. Throws selectorTimeout. */
export type TextTest = (text: string, budget: SelectorBudget) => boolean

/** What re2js and JavaScript have in common. */
interface Matcher {
  test(text: string): boolean
}

interface Engine {
  /** A fresh matcher: one that was interrupted may be in any state. */
  compile(): Matcher
  /** Whether the text is matched so quickly that nobody needs to watch. */
  isQuick(textLength: number): boolean
}

/** Throws SyntaxError for a pattern that is none, is too large, or cannot be said here. */
export function compileRegex(pattern: string): TextTest {
  const engine = linearEngine(pattern) ?? backtrackingEngine(pattern)
  const matcher = engine.compile()
  return (text, budget) => {
    const subject = Buffer.from(text).toString('latin1')
    return engine.isQuick(subject.length) ? matcher.test(subject) : watched(engine, subject, budget)
  }
}

function translated(pattern: string, dialect: Dialect): Translation {
  const bytes = Buffer.from(pattern).toString('latin1')
  const options = /^\(\?([ims]+)\)/.exec(bytes)
  const flags = new Set(options?.[1])
  const translation = new Translation(bytes.slice(options?.[0].length ?? 0), flags, dialect)
  if (translation.parts > MOST_PARTS) throw new SyntaxError('the pattern is too large')
  return translation
}

/** Undefined for what re2js does not take: JavaScript says whether it is a pattern. Throws SyntaxError. */
function linearEngine(pattern: string): Engine | undefined {
  const { RE2JS, RE2JSException } = re2()
  try {
    const { text, ignoresCase, parts } = translated(pattern, RE2)
    const compile = (): Matcher => RE2JS.compile(text, ignoresCase ? RE2JS.CASE_INSENSITIVE : 0)
    compile()
    return { compile, isQuick: (length) => length * parts <= QUICK_WORK }
  } catch (error) {
    if (error instanceof UnsupportedPattern || error instanceof RE2JSException) return undefined
    throw error
  }
}

/** Throws SyntaxError. */
function backtrackingEngine(pattern: string): Engine {
  const { text, ignoresCase, choices } = translated(pattern, JAVASCRIPT)
  if (text.length > MOST_BACKTRACKING_LENGTH || choices > MOST_CHOICES) {
    throw new SyntaxError('the pattern is too large')
  }
  const compile = (): Matcher => new RegExp(text, ignoresCase ? 'i' : '')
  // Patterns are compiled when they are first used, and only then found too large.
  compile().test('')
  // One choice cannot be nested in another: the time is the square of the length at most.
  return { compile, isQuick: (length) => choices <= 1 && length * length <= MOST_SQUARE }
}

/** Throws selectorTimeout. */
function watched(engine: Engine, text: string, budget: SelectorBudget): boolean {
  for (let left = ATTEMPTS; left > 0; left--) {
    const timeoutMs = Math.ceil(Math.min(ATTEMPT_MS, budget.requireTime()))
    const isMatch = interruptible(engine.compile(), text, timeoutMs)
    if (isMatch !== undefined) return isMatch
  }
  return budget.giveUp()
}

/** One context serves all: a new one costs a millisecond, and scripts run one at a time. */
let shared:
  | { sandbox: { matcher: Matcher | undefined; text: string }; context: Context; script: Script }
  | undefined

/** Undefined when it took longer. */
function interruptible(matcher: Matcher, text: string, timeoutMs: number): boolean | undefined {
  if (shared === undefined) {
    const sandbox = { matcher, text }
    shared = { sandbox, context: createContext(sandbox), script: new Script('matcher.test(text)') }
  }
  const { sandbox, context, script } = shared
  sandbox.matcher = matcher
  sandbox.text = text
  try {
    return script.runInContext(context, { timeout: timeoutMs }) === true
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return undefined
    throw error
  } finally {
    sandbox.matcher = undefined
    sandbox.text = ''
  }
}
