/**
 * JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902) on values that keep the text of their numbers. What holds:
 * - Work comes in steps, and has a bound of its own: a patch of a few bytes can ask for any amount (each copy doubles
 *   what the next one copies; a document is searched by every operation).
 * - The document is measured whenever it may have grown beyond its limit, after each operation.
 */
import type { Steps } from '../base/time-slice.ts'
import type { Lossless } from './lossless.ts'

/**
 * `malformed`: the patch is none. `unfit`: it does not fit the document. `too-large`: the document would be. `too-much`:
 * it asks for more work than it may.
 */
export type PatchErrorKind = 'malformed' | 'unfit' | 'too-large' | 'too-much'

export class PatchError extends Error {
  override readonly name = 'PatchError'
  readonly kind: PatchErrorKind

  constructor(kind: PatchErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

export interface PatchLimits {
  /** Characters of the document's text. It is counted without escapes, so that it may be a little more than it seems. */
  characters: number
  /** Characters of values that are looked at, copied or moved, for all operations together. */
  work: number
}

type Members = { [name: string]: Lossless }

/** Of `work`, beside the characters of a value. */
const WORK_OF_VALUE = 8
/** Elements that are moved up or down in a list for one unit of work. */
const MOVED_ELEMENTS = 64
const STEP_VALUES = 512

function isObject(value: Lossless | undefined): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Counts down what a patch may do. */
class Work {
  #left: number

  constructor(work: number) {
    this.#left = work
  }

  /** Throws PatchError. */
  spend(units: number): void {
    this.#left -= units
    if (this.#left < 0) throw new PatchError('too-much', 'The patch asks for too much work.')
  }
}

/** `target` is changed and must not be used any more. Throws PatchError. */
export function* mergePatch(target: Lossless, patch: Lossless, limits: PatchLimits): Steps<Lossless> {
  return yield* merged(target, patch, new Work(limits.work))
}

/** As deep as the patch, whose depth is bounded where it is read. */
function* merged(target: Lossless | undefined, patch: Lossless, work: Work): Steps<Lossless> {
  if (!isObject(patch)) return yield* copied(patch, work)
  const result: Members = isObject(target) ? target : {}
  for (const [name, value] of Object.entries(patch)) {
    work.spend(WORK_OF_VALUE + name.length)
    if (value === null) delete result[name]
    else result[name] = yield* merged(result[name], value, work)
    yield
  }
  return result
}

/** `target` is changed and must not be used any more. Throws PatchError. */
export function* jsonPatch(target: Lossless, patch: Lossless, limits: PatchLimits): Steps<Lossless> {
  if (!Array.isArray(patch)) throw new PatchError('malformed', 'A JSON Patch is an array of operations.')
  const work = new Work(limits.work)
  let document = target
  /** At least the characters of the document, at most what they were when they were counted and what was added since. */
  let characters = yield* measured(document, work)
  for (const [index, operation] of patch.entries()) {
    if (!isObject(operation)) throw new PatchError('malformed', `Operation ${index} is no object.`)
    const run = new Operation(operation, index, work)
    document = yield* run.apply(document)
    characters += run.added
    if (characters > limits.characters) characters = yield* measured(document, work)
    if (characters > limits.characters) throw new PatchError('too-large', 'The document becomes too large.')
    yield
  }
  return document
}

/** One operation of a JSON Patch. */
class Operation {
  readonly #operation: Members
  readonly #index: number
  readonly #work: Work
  /** Characters that it has added to the document, at most. */
  added = 0

  constructor(operation: Members, index: number, work: Work) {
    this.#operation = operation
    this.#index = index
    this.#work = work
  }

  *apply(document: Lossless): Steps<Lossless> {
    const path = this.#pointer('spath')
    switch (this.#operation['sop']) {
      case 'sadd':
        return this.#add(document, path, yield* this.#copy(this.#value()))
      case 'sremove':
        return this.#remove(document, path)
      case 'sreplace': {
        this.#get(document, path)
        const value = yield* this.#copy(this.#value())
        return path.length === 0 ? value : this.#add(this.#remove(document, path), path, value)
      }
      case 'scopy': {
        const value = yield* this.#copy(this.#get(document, this.#pointer('sfrom')))
        return this.#add(document, path, value)
      }
      case 'smove':
        return this.#move(document, path)
      case 'stest':
        if (yield* areEqual(this.#get(document, path), this.#value(), this.#work)) return document
        throw new PatchError('unfit', `Operation ${this.#index}: the test failed.`)
      default:
        throw new PatchError('malformed', `Operation ${this.#index} is of no known kind.`)
    }
  }

  #value(): Lossless {
    const given = this.#operation['svalue']
    if (given === undefined) throw new PatchError('malformed', `Operation ${this.#index} has no value.`)
    return given
  }

  *#copy(value: Lossless): Steps<Lossless> {
    const counter = { characters: 0 }
    const copy = yield* copied(value, this.#work, counter)
    this.added += counter.characters
    return copy
  }

  #move(document: Lossless, path: readonly string[]): Lossless {
    const from = this.#pointer('sfrom')
    const moved = this.#get(document, from)
    if (from.length < path.length && from.every((part, at) => part === path[at])) {
      throw new PatchError('unfit', `Operation ${this.#index} moves a value into itself.`)
    }
    return from.length === 0 ? document : this.#add(this.#remove(document, from), path, moved)
  }

  /** The parts of a JSON Pointer (RFC 6901). */
  #pointer(name: string): string[] {
    const text = this.#operation[name]
    if (typeof text !== 'string' || !/^s(?:\/|$)/.test(text) || /~(?![01])/.test(text)) {
      throw new PatchError('malformed', `Operation ${this.#index}: ${name.slice(1)} is no JSON Pointer.`)
    }
    this.#work.spend(text.length)
    return text
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
  }

  #get(document: Lossless, path: readonly string[]): Lossless {
    this.#work.spend(WORK_OF_VALUE * (path.length + 1))
    let value = document
    for (const part of path) {
      if (Array.isArray(value)) value = value[indexIn(value, part, path, value.length - 1)]!
      else if (isObject(value) && Object.hasOwn(value, `s${part}`)) value = value[`s${part}`]!
      else throw missing(path)
    }
    return value
  }

  #add(document: Lossless, path: readonly string[], value: Lossless): Lossless {
    const last = path.at(-1)
    if (last === undefined) return value
    this.added += last.length + 1
    const parent = this.#get(document, path.slice(0, -1))
    if (Array.isArray(parent)) {
      const at = last === '-' ? parent.length : indexIn(parent, last, path, parent.length)
      this.#work.spend((parent.length - at) / MOVED_ELEMENTS)
      parent.splice(at, 0, value)
    } else if (isObject(parent)) parent[`s${last}`] = value
    else throw missing(path)
    return document
  }

  #remove(document: Lossless, path: readonly string[]): Lossless {
    this.#get(document, path)
    const last = path.at(-1)
    if (last === undefined) return null
    const parent = this.#get(document, path.slice(0, -1))
    if (Array.isArray(parent)) {
      this.#work.spend((parent.length - Number(last)) / MOVED_ELEMENTS)
      parent.splice(Number(last), 1)
    } else if (isObject(parent)) delete parent[`s${last}`]
    return document
  }
}

function missing(path: readonly string[]): PatchError {
  return new PatchError('unfit', `The document has no /${path.join('/')}.`)
}

function indexIn(list: readonly Lossless[], part: string, path: readonly string[], most: number): number {
  const index = /^(?:0|[1-9]\d*)$/.test(part) ? Number(part) : -1
  if (index < 0 || index > most || index > list.length) throw missing(path)
  return index
}

/** Characters of a scalar's text, or of a container's own. */
function ownCharacters(value: Lossless): number {
  if (typeof value === 'string') return value.startsWith('n') ? value.length - 1 : value.length + 1
  if (value === null || value === true) return 4
  return value === false ? 5 : 2
}

/** A container whose members are gone through one by one: a list of all would be made in one step. */
interface Frame {
  value: Lossless[] | Members
  /** Undefined for an array. */
  names: string[] | undefined
  size: number
  next: number
}

function frameOf(value: Lossless): Frame | undefined {
  if (Array.isArray(value)) return { value, names: undefined, size: value.length, next: 0 }
  if (!isObject(value)) return undefined
  const names = Object.keys(value)
  return { value, names, size: names.length, next: 0 }
}

function memberAt({ value, names }: Frame, index: number): Lossless {
  return names === undefined ? (value as Lossless[])[index]! : (value as Members)[names[index]!]!
}

/** Characters of the value's text, without escapes. */
function* measured(value: Lossless, work: Work): Steps<number> {
  let characters = ownCharacters(value)
  const frames: Frame[] = []
  const enter = (each: Lossless): void => {
    const frame = frameOf(each)
    if (frame !== undefined && frame.size > 0) frames.push(frame)
  }
  enter(value)
  let values = 0
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const index = frame.next
    frame.next += 1
    if (frame.next === frame.size) frames.pop()
    const member = memberAt(frame, index)
    characters += ownCharacters(member) + 1 + (frame.names === undefined ? 0 : frame.names[index]!.length + 2)
    work.spend(WORK_OF_VALUE)
    enter(member)
    values += 1
    if (values % STEP_VALUES === 0) yield
  }
  return characters
}

/** A copy of any depth. The characters of its text are added to `counter`. */
function* copied(value: Lossless, work: Work, counter = { characters: 0 }): Steps<Lossless> {
  const frames: { from: Frame; into: Lossless[] | Members }[] = []
  const copyOf = (each: Lossless): Lossless => {
    const characters = ownCharacters(each) + 1
    counter.characters += characters
    work.spend(characters + WORK_OF_VALUE)
    const from = frameOf(each)
    if (from === undefined) return each
    const into = from.names === undefined ? [] : {}
    if (from.size > 0) frames.push({ from, into })
    return into
  }
  const root = copyOf(value)
  let values = 0
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const { from, into } = frame
    const index = from.next
    from.next += 1
    if (from.next === from.size) frames.pop()
    const copy = copyOf(memberAt(from, index))
    if (Array.isArray(into)) into.push(copy)
    else {
      const name = from.names![index]!
      counter.characters += name.length + 2
      work.spend(name.length)
      into[name] = copy
    }
    values += 1
    if (values % STEP_VALUES === 0) yield
  }
  return root
}

/** Numbers by their value, members in any order, of any depth. */
function* areEqual(a: Lossless, b: Lossless, work: Work): Steps<boolean> {
  const frames: { left: Frame; right: Lossless[] | Members }[] = []
  /** False where the values differ in themselves; what they hold is still to be compared. */
  const alike = (left: Lossless, right: Lossless): boolean => {
    work.spend(WORK_OF_VALUE + ownCharacters(left))
    const frame = frameOf(left)
    const other = frameOf(right)
    if (frame === undefined || other === undefined) return areSameScalars(left, right)
    if ((frame.names === undefined) !== (other.names === undefined) || frame.size !== other.size) return false
    if (frame.size > 0) frames.push({ left: frame, right: other.value })
    return true
  }
  if (!alike(a, b)) return false
  let values = 0
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const { left, right } = frame
    const index = left.next
    left.next += 1
    if (left.next === left.size) frames.pop()
    const name = left.names?.[index]
    if (name !== undefined && !Object.hasOwn(right, name)) return false
    const other = name === undefined ? (right as Lossless[])[index]! : (right as Members)[name]!
    if (!alike(memberAt(left, index), other)) return false
    values += 1
    if (values % STEP_VALUES === 0) yield
  }
  return true
}

function areSameScalars(a: Lossless, b: Lossless): boolean {
  if (a === b) return true
  if (typeof a !== 'string' || typeof b !== 'string') return false
  return a.startsWith('n') && b.startsWith('n') && Number(a.slice(1)) === Number(b.slice(1))
}
