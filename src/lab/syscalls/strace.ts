/**
 * What strace writes with `-f -xx -o`: one line for each call, the thread first, every string in hex:
 *
 *     17  pwrite64(20, "\x4e\x46", 2, 0) = 2
 *     17  fdatasync(20 <unfinished ...>
 *     18  close(9) = 0
 *     17  <... fdatasync resumed>) = 0
 *
 * A call that another thread's line interrupts is two lines: it began at the first and had returned at the second.
 * Lines stand in the order in which the tracer saw the stops, so that what had returned before a line did so before
 * the call of that line began.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'

export interface Call {
  readonly thread: number
  readonly name: string
  /** As they are printed; strings with their quotes. */
  readonly args: readonly string[]
  /** -1 for a failure; undefined while it has not returned, and where the process ended in it. */
  readonly result: number | undefined
}

/** A call begins, returns, or does both in one line. */
export interface TraceEvent {
  readonly line: number
  readonly kind: 'begin' | 'end' | 'whole'
  /** The same object at the beginning and the end, with the arguments known so far. */
  readonly call: { -readonly [K in keyof Call]: Call[K] }
}

/** The trace is not what this code understands. */
export class TraceError extends Error {}

const LINE = /^(\d+)\s+(.*)$/s
const RESUMED = /^<\.\.\. (\w+) resumed>(.*)$/s
const UNFINISHED = ' <unfinished ...>'

/** The events of a trace, in its order. Throws TraceError for a line that is no strace line. */
export function* parseTrace(text: string): Generator<TraceEvent, void, void> {
  const open = new Map<number, { call: TraceEvent['call']; text: string }>()
  let line = 0
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    const whole = text.slice(at, end)
    at = end + 1
    line += 1
    const match = LINE.exec(whole)
    if (match === null) throw new TraceError(`line ${line} has no thread: ${whole.slice(0, 80)}`)
    const thread = Number(match[1])
    const rest = match[2]!
    if (rest.startsWith('+++') || rest.startsWith('---')) continue
    const resumed = RESUMED.exec(rest)
    if (resumed !== null) {
      const begun = open.get(thread)
      open.delete(thread)
      if (begun === undefined || begun.call.name !== resumed[1])
        throw new TraceError(`line ${line} resumes what never began`)
      const full = parseCall(thread, `${begun.call.name}(${begun.text}${resumed[2]}`, line)
      begun.call.args = full.args
      begun.call.result = full.result
      yield { line, kind: 'end', call: begun.call }
    } else if (rest.endsWith(UNFINISHED)) {
      const body = rest.slice(0, -UNFINISHED.length)
      const parenthesis = body.indexOf('(')
      const call = {
        thread,
        name: body.slice(0, parenthesis),
        args: splitArguments(body.slice(parenthesis + 1)).args,
        result: undefined,
      }
      open.set(thread, { call, text: body.slice(parenthesis + 1) })
      yield { line, kind: 'begin', call }
    } else {
      yield { line, kind: 'whole', call: parseCall(thread, rest, line) }
    }
  }
}

function parseCall(thread: number, text: string, line: number): TraceEvent['call'] {
  const parenthesis = text.indexOf('(')
  if (parenthesis < 0) throw new TraceError(`line ${line} is no call: ${text.slice(0, 80)}`)
  const { args, rest } = splitArguments(text.slice(parenthesis + 1))
  const result = /^\)\s+= (-?\d+|\?)/.exec(rest)
  if (result === null) throw new TraceError(`line ${line} has no result: ${rest.slice(0, 80)}`)
  return {
    thread,
    name: text.slice(0, parenthesis),
    args,
    result: result[1] === '?' ? undefined : Number(result[1]),
  }
}

/** Splits at the commas outside of quotes and brackets, up to the closing parenthesis or the end. */
function splitArguments(text: string): { args: string[]; rest: string } {
  const args: string[] = []
  let depth = 0
  let start = 0
  let at = 0
  for (; at < text.length; at++) {
    const character = text[at]!
    if (character === '"') {
      const quote = text.indexOf('"', at + 1)
      if (quote < 0) throw new TraceError(`a string without an end: ${text.slice(at, at + 40)}`)
      at = quote
    } else if (character === '[' || character === '{' || character === '(') depth += 1
    else if (character === ']' || character === '}') depth -= 1
    else if (character === ')') {
      if (depth === 0) break
      depth -= 1
    } else if (character === ',' && depth === 0) {
      args.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  const last = text.slice(start, at).trim()
  if (last !== '') args.push(last)
  return { args, rest: text.slice(at) }
}

/** The bytes of a string argument. Throws TraceError when strace left some of it out. */
export function bytesOf(argument: string): Buffer {
  if (argument.endsWith('...')) throw new TraceError('a string was cut: record with a larger -s')
  if (!argument.startsWith('"') || !argument.endsWith('"')) throw new TraceError(`no string: ${argument}`)
  return Buffer.from(argument.slice(1, -1).replaceAll('\\x', ''), 'hex')
}

/** The bytes of a list of buffers, as writev and pwritev have it, one after another. */
export function bytesOfVector(argument: string): Buffer {
  const pieces = [...argument.matchAll(/iov_base=("[^"]*"(?:\.\.\.)?|NULL)/g)].map((match) => match[1]!)
  return Buffer.concat(pieces.map((piece) => (piece === 'NULL' ? Buffer.alloc(0) : bytesOf(piece))))
}

/** How long strace may take to write what it knows of a process that has gone. */
const LAST_LINES_MS = 30_000

/**
 * The trace's text, made with `-q`, once the end of each of its threads is there: strace writes its last lines after the process that it
 * watches has gone. Throws TraceError for a trace that does not come to that.
 */
export async function readTrace(path: string): Promise<string> {
  for (let waited = 0; waited < LAST_LINES_MS; waited += LOOK_MS) {
    const text = await readFile(path, 'latin1')
    if (text.endsWith('\n') && haveEnded(text)) return text
    await delay(LOOK_MS)
  }
  throw new TraceError(`${path} does not tell how its threads ended`)
}

const LOOK_MS = 20

function haveEnded(text: string): boolean {
  const running = new Set<string>()
  for (const [, thread, rest] of text.matchAll(/^(\d+)\s+(...)/gm)) {
    if (rest === '+++') running.delete(thread!)
    else running.add(thread!)
  }
  return text.length > 0 && running.size === 0
}
