/** JSON Merge Patch (RFC 7396) and JSON Patch (RFC 6902) on values that keep the text of their numbers. */
import type { Lossless } from './lossless.ts'

/** A patch that is none ('malformed'), or does not fit the document ('unfit'). */
export class PatchError extends Error {
  override readonly name = 'PatchError'
  readonly kind: 'malformed' | 'unfit'

  constructor(kind: 'malformed' | 'unfit', message: string) {
    super(message)
    this.kind = kind
  }
}

type Members = { [name: string]: Lossless }

function isObject(value: Lossless | undefined): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The document as the patch makes it. Neither is changed. */
export function mergePatch(target: Lossless | undefined, patch: Lossless): Lossless {
  if (!isObject(patch)) return patch
  const merged: Members = isObject(target) ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name]
    else merged[name] = mergePatch(merged[name], value)
  }
  return merged
}

/** `target` is changed and must not be used any more. Throws PatchError. */
export function jsonPatch(target: Lossless, patch: Lossless): Lossless {
  if (!Array.isArray(patch)) throw new PatchError('malformed', 'A JSON Patch is an array of operations.')
  let document = target
  for (const [index, operation] of patch.entries()) {
    if (!isObject(operation)) throw new PatchError('malformed', `Operation ${index} is no object.`)
    document = applyOperation(document, operation, index)
  }
  return document
}

function applyOperation(document: Lossless, operation: Members, index: number): Lossless {
  const path = pointer(operation, 'spath', index)
  const value = (): Lossless => {
    const given = operation['svalue']
    if (given === undefined) throw new PatchError('malformed', `Operation ${index} has no value.`)
    return structuredClone(given)
  }
  switch (operation['sop']) {
    case 'sadd':
      return add(document, path, value())
    case 'sremove':
      return remove(document, path)
    case 'sreplace':
      get(document, path)
      return path.length === 0 ? value() : add(remove(document, path), path, value())
    case 'scopy':
      return add(document, path, structuredClone(get(document, pointer(operation, 'sfrom', index))))
    case 'smove': {
      const from = pointer(operation, 'sfrom', index)
      const moved = get(document, from)
      if (from.length < path.length && from.every((part, at) => part === path[at])) {
        throw new PatchError('unfit', `Operation ${index} moves a value into itself.`)
      }
      return from.length === 0 ? document : add(remove(document, from), path, moved)
    }
    case 'stest':
      if (isEqual(get(document, path), value())) return document
      throw new PatchError('unfit', `Operation ${index}: the test failed.`)
    default:
      throw new PatchError('malformed', `Operation ${index} is of no known kind.`)
  }
}

/** The parts of a JSON Pointer (RFC 6901). */
function pointer(operation: Members, name: string, index: number): string[] {
  const text = operation[name]
  if (typeof text !== 'string' || !/^s(?:\/(?:[^~]|~[01])*)?$/s.test(text)) {
    throw new PatchError('malformed', `Operation ${index}: ${name.slice(1)} is no JSON Pointer.`)
  }
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

function missing(path: readonly string[]): PatchError {
  return new PatchError('unfit', `The document has no /${path.join('/')}.`)
}

function indexIn(list: readonly Lossless[], part: string, path: readonly string[], most: number): number {
  const index = /^(?:0|[1-9]\d*)$/.test(part) ? Number(part) : -1
  if (index < 0 || index > most || index > list.length) throw missing(path)
  return index
}

function get(document: Lossless, path: readonly string[]): Lossless {
  let value = document
  for (const part of path) {
    if (Array.isArray(value)) value = value[indexIn(value, part, path, value.length - 1)]!
    else if (isObject(value) && Object.hasOwn(value, `s${part}`)) value = value[`s${part}`]!
    else throw missing(path)
  }
  return value
}

function add(document: Lossless, path: readonly string[], value: Lossless): Lossless {
  const last = path.at(-1)
  if (last === undefined) return value
  const parent = get(document, path.slice(0, -1))
  if (Array.isArray(parent)) {
    const at = last === '-' ? parent.length : indexIn(parent, last, path, parent.length)
    parent.splice(at, 0, value)
  } else if (isObject(parent)) parent[`s${last}`] = value
  else throw missing(path)
  return document
}

function remove(document: Lossless, path: readonly string[]): Lossless {
  get(document, path)
  const last = path.at(-1)
  if (last === undefined) return null
  const parent = get(document, path.slice(0, -1))
  if (Array.isArray(parent)) parent.splice(Number(last), 1)
  else if (isObject(parent)) delete parent[`s${last}`]
  return document
}

/** Numbers by their value, members in any order. */
function isEqual(a: Lossless, b: Lossless): boolean {
  if (typeof a === 'string' && typeof b === 'string') {
    if (a.startsWith('n') && b.startsWith('n')) return Number(a.slice(1)) === Number(b.slice(1))
    return a === b
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, at) => isEqual(value, b[at]!))
  }
  if (!isObject(a) || !isObject(b)) return a === b
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => Object.hasOwn(b, name) && isEqual(a[name]!, b[name]!))
  )
}
