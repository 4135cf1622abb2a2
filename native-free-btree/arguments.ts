/**
 * What the library's callers hand over, looked at before anything is touched: a wrong type is refused here with
 * INVALID_ARGUMENT and never reaches a page or a record. Bytes are a `Uint8Array` (so a `Buffer`) and nothing else: of all
 * other things `length` counts something that is not bytes.
 */
import { types } from 'node:util'
import type { Comparator, Reducer, TreeOptions } from './api.ts'
import type { Clock } from './clock.ts'
import { StorageError } from './errors.ts'
import { GENESIS_POSITION, GROUP_ALIGNMENT, GROUP_HEADER_BYTES, REFERENCE_BYTES } from './format.ts'
import type { MapOptions } from './inspection.ts'

/** Of the names of trees, comparators and reducers, as UTF-8: the file keeps their lengths in one byte. */
const MAX_NAME_BYTES = 255
/** What a byte can be. */
const BYTE_VALUES = 256
/** Of a map. */
const MOST_BUCKETS = 65_536
const MAX_VERSION = 2 ** 32 - 1
/** A node's pointer keeps a reduction behind two bytes of length; longer ones would make inner nodes of two children. */
const MAX_REDUCTION_BYTES = 1024

/** Behind the first group and its 40 bytes. */
const FIRST_GROUP_POSITION = GENESIS_POSITION + GROUP_HEADER_BYTES + 40
/** References hold positions in six bytes. */
const LAST_FIRST_GROUP_POSITION = 2 ** 47

interface CheckedOptions {
  trees?: Record<string, TreeOptions>
  create?: unknown
  readOnly?: unknown
  checkpointLogBytes?: unknown
  roomBytes?: unknown
  aheadBytes?: unknown
  dirtyBytes?: unknown
  queueBytes?: unknown
  partBytes?: unknown
  fileSystem?: unknown
  clock?: unknown
  random?: unknown
  lock?: unknown
  firstGroupPosition?: unknown
}

// Found once: what is handed over is looked at some times for each entry that is written.
const bufferPrototype: unknown = Buffer.prototype
const plainPrototype: unknown = Uint8Array.prototype
const prototypeOf: (value: object) => unknown = Reflect.getPrototypeOf
const NOTHING = new Uint8Array(0)
/** Whatever else a caller's object has under this name. */
const setBytes = Uint8Array.prototype.set
const hasOwn = Object.prototype.hasOwnProperty

const intrinsics = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype) as Uint8Array)

export function refuse(what: string, wanted: string, given: unknown): never {
  throw new StorageError('INVALID_ARGUMENT', `${what} must be ${wanted}, not ${nameOf(given)}`)
}

/** What a value is, for a message; it runs none of the value's own code. */
function nameOf(value: unknown): string {
  if (value === null) return 'null'
  if (types.isProxy(value)) return 'a proxy'
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (ArrayBuffer.isView(value)) return `${types.isDataView(value) ? 'DataView' : 'a view of another kind'}`
  return typeof value === 'object' && Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}

/** The bytes, as what they say they are. Throws INVALID_ARGUMENT. */
export function bytesOf(what: string, value: Uint8Array): Uint8Array {
  if (!types.isUint8Array(value)) refuse(what, 'a Uint8Array', value)
  if (isGone(value)) throw new StorageError('INVALID_ARGUMENT', `the memory of ${what} was given away`)
  const prototype = prototypeOf(value)
  const isPlain = prototype === bufferPrototype || prototype === plainPrototype
  return isPlain && !isShadowed(value) ? value : genuine(value)
}

/** Memory that is written to: where there is none, or less than it says, nothing is written. Throws INVALID_ARGUMENT. */
export function targetOf(what: string, value: Uint8Array): Uint8Array {
  if (!types.isUint8Array(value)) refuse(what, 'a Uint8Array', value)
  return value
}

/** What the engine reads of bytes; an object may carry other things under these names. */
function isShadowed(value: Uint8Array): boolean {
  return (
    hasOwn.call(value, 'length') ||
    hasOwn.call(value, 'buffer') ||
    hasOwn.call(value, 'byteOffset') ||
    hasOwn.call(value, 'subarray')
  )
}

/** A plain view of the same bytes: subclasses may answer what they like. */
function genuine(value: Uint8Array): Uint8Array {
  const read = (name: 'buffer' | 'byteOffset' | 'length'): unknown =>
    (intrinsics[name].get as (this: Uint8Array) => unknown).call(value)
  return new Uint8Array(read('buffer') as ArrayBuffer, read('byteOffset') as number, read('length') as number)
}

/**
 * The memory was transferred away, or made shorter than the view's beginning. `length` is no evidence: compiled code of V8
 * 11.3 has been seen to go on with the one from before. Writing nothing to it asks V8 itself, and is the quickest that does.
 */
function isGone(bytes: Uint8Array): boolean {
  try {
    setBytes.call(bytes, NOTHING)
    return false
  } catch {
    return true
  }
}

/** Throws INVALID_ARGUMENT. */
export function referenceOf(value: Uint8Array): Uint8Array {
  const bytes = bytesOf('a reference', value)
  if (bytes.length !== REFERENCE_BYTES) {
    throw new StorageError('INVALID_ARGUMENT', `a reference has ${REFERENCE_BYTES} bytes`)
  }
  return bytes
}

/** Throws INVALID_ARGUMENT. */
export function requireFunction(what: string, value: unknown): void {
  if (typeof value !== 'function') refuse(what, 'a function', value)
}

/** Also true for a proxy that was revoked, of which nothing can be asked. */
function isArray(value: object): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return true
  }
}

/** Throws INVALID_ARGUMENT. */
export function requireObject(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || isArray(value)) refuse(what, 'an object', value)
}

/** Whole, from `least` to `most`. Throws INVALID_ARGUMENT. */
export function requireWhole(what: string, value: unknown, least = 0, most = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return
  refuse(what, `a whole number from ${least} to ${most}`, value)
}

/** Finite, 0 or more. Throws INVALID_ARGUMENT. */
export function requireAmount(what: string, value: unknown): void {
  if (!(typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY)) {
    refuse(what, 'a finite number, 0 or more', value)
  }
}

/** Throws INVALID_ARGUMENT. */
export function requireBoolean(what: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'boolean') refuse(what, 'true or false', value)
}

/** A file's path. Throws INVALID_ARGUMENT. */
export function requirePath(value: unknown): void {
  if (typeof value !== 'string') refuse('a path', 'a string', value)
  if (value === '' || value.includes('\0')) {
    throw new StorageError('INVALID_ARGUMENT', 'a path must not be empty, nor hold a zero')
  }
}

/** Has what waits can be given up by. Throws INVALID_ARGUMENT. */
export function requireSignal(value: unknown): void {
  if (value === undefined) return
  try {
    // Throws for whatever has the prototype and is none.
    Reflect.get(AbortSignal.prototype, 'aborted', value)
  } catch {
    refuse('signal', 'an AbortSignal', value)
  }
}

/** Has these methods. Throws INVALID_ARGUMENT. */
export function requireMethods(what: string, value: unknown, names: readonly string[]): void {
  requireObject(what, value)
  for (const name of names) requireFunction(`${what}.${name}`, (value as Record<string, unknown>)[name])
}

/** A name that the file keeps and gives back. Throws INVALID_ARGUMENT. */
function requireName(what: string, value: unknown): void {
  if (typeof value !== 'string') refuse(what, 'a string', value)
  if (/\p{Surrogate}/u.test(value))
    throw new StorageError('INVALID_ARGUMENT', `${what} is not well-formed Unicode`)
  if (Buffer.byteLength(value) > MAX_NAME_BYTES) {
    throw new StorageError('INVALID_ARGUMENT', `${what} is longer than ${MAX_NAME_BYTES} bytes`, {
      name: value,
    })
  }
}

function comparatorOf(what: string, given: Comparator): Comparator {
  requireObject(what, given)
  const { name, version, compare, bytewiseBelow = 0 } = given
  requireFunction(`${what}.compare`, compare)
  requireNamed(what, { name, version })
  requireWhole(`${what}.bytewiseBelow`, bytewiseBelow, 0, BYTE_VALUES)
  return { name, version, compare: (a, b) => compare.call(given, a, b), bytewiseBelow }
}

/**
 * What a reducer was when it was given. A class, since V8 drops what it compiled of a function made anew for each store with the
 * last store that has one, and compiles it again for the next: its methods stay.
 */
class GivenReducer implements Reducer {
  readonly name: string
  readonly version: number
  readonly maxBytes: number
  protected readonly given: Reducer
  readonly #map: Reducer['map']
  readonly #combine: Reducer['combine']
  readonly combineAll: Reducer['combineAll']

  constructor(given: Reducer, { name, version, maxBytes, map, combine, combineAll }: Reducer) {
    this.name = name
    this.version = version
    this.maxBytes = maxBytes
    this.given = given
    this.#map = map
    this.#combine = combine
    this.combineAll = combineAll && ((bytes, bounds) => combineAll.call(given, bytes, bounds))
  }

  map(key: Uint8Array, value: Uint8Array): Uint8Array {
    return this.#map.call(this.given, key, value)
  }

  combine(parts: readonly Uint8Array[]): Uint8Array {
    return this.#combine.call(this.given, parts)
  }
}

class GivenReducerOfMany extends GivenReducer {
  readonly #mapAll: NonNullable<Reducer['mapAll']>

  constructor(given: Reducer, members: Reducer, mapAll: NonNullable<Reducer['mapAll']>) {
    super(given, members)
    this.#mapAll = mapAll
  }

  mapAll(bytes: Uint8Array, bounds: Uint32Array): Uint8Array {
    return this.#mapAll.call(this.given, bytes, bounds)
  }
}

function reducerOf(what: string, given: Reducer): Reducer {
  requireObject(what, given)
  const { name, version, maxBytes, map, combine, mapAll, combineAll } = given
  requireFunction(`${what}.map`, map)
  requireFunction(`${what}.combine`, combine)
  if (mapAll !== undefined) requireFunction(`${what}.mapAll`, mapAll)
  if (combineAll !== undefined) requireFunction(`${what}.combineAll`, combineAll)
  requireNamed(what, { name, version })
  requireWhole(`${what}.maxBytes`, maxBytes, 0, MAX_REDUCTION_BYTES)
  const members = { name, version, maxBytes, map, combine, combineAll }
  return mapAll === undefined
    ? new GivenReducer(given, members)
    : new GivenReducerOfMany(given, members, mapAll)
}

/** The name '' and the version 0 stand for none. */
function requireNamed(what: string, { name, version }: { name: string; version: number }): void {
  requireName(`${what}.name`, name)
  if (name === '') throw new StorageError('INVALID_ARGUMENT', `${what}.name must not be empty`)
  requireWhole(`${what}.version`, version, 0, MAX_VERSION)
}

/** Each member is read once, and what was read is looked at and kept: later changes change nothing of the store. */
function treesOf(given: Record<string, TreeOptions>): Record<string, TreeOptions> {
  requireObject('trees', given)
  return Object.fromEntries(Object.entries(given).map(([name, options]) => [name, treeOf(name, options)]))
}

function treeOf(name: string, given: TreeOptions): TreeOptions {
  requireName('the name of a tree', name)
  requireObject(`the options of tree ${name}`, given)
  const { comparator, reducer, references } = given
  if (references !== undefined) requireFunction(`references of tree ${name}`, references)
  return {
    ...(comparator === undefined
      ? {}
      : { comparator: comparatorOf(`the comparator of tree ${name}`, comparator) }),
    ...(reducer === undefined ? {} : { reducer: reducerOf(`the reducer of tree ${name}`, reducer) }),
    ...(references === undefined ? {} : { references: (value) => references.call(given, value) }),
  }
}

const FILE_SYSTEM = ['open', 'exists', 'rename', 'remove', 'syncDirectory']

/** What `openStore` is given, as it was when it was given. Throws INVALID_ARGUMENT. */
export function storeOptions<T extends CheckedOptions>(given: T | undefined): T {
  if (given === undefined) return {} as T
  requireObject('options', given)
  const options: T = { ...given }
  if (options.trees !== undefined) options.trees = treesOf(options.trees)
  requireBoolean('create', options.create)
  requireBoolean('readOnly', options.readOnly)
  for (const name of [
    'checkpointLogBytes',
    'dirtyBytes',
    'queueBytes',
    'partBytes',
    'roomBytes',
    'aheadBytes',
  ] as const) {
    if (options[name] !== undefined) requireAmount(name, options[name])
  }
  const { fileSystem, clock, random, lock, firstGroupPosition } = options
  if (fileSystem !== undefined) requireMethods('fileSystem', fileSystem, FILE_SYSTEM)
  if (clock !== undefined) options.clock = clockOf(clock)
  if (random !== undefined) requireFunction('random', random)
  if (lock !== undefined) requireFunction('lock', lock)
  if (firstGroupPosition !== undefined) {
    requireWhole('firstGroupPosition', firstGroupPosition, FIRST_GROUP_POSITION, LAST_FIRST_GROUP_POSITION)
    if ((firstGroupPosition as number) % GROUP_ALIGNMENT !== 0) {
      refuse('firstGroupPosition', `a multiple of ${GROUP_ALIGNMENT}`, firstGroupPosition)
    }
  }
  return options
}

/** Times go into the file. */
function clockOf(given: unknown): Clock {
  requireMethods('clock', given, ['now', 'after'])
  const clock = given as Clock
  if (clock.turnEnd !== undefined) requireMethods('clock', given, ['turnEnd'])
  return {
    now: () => {
      const nowMs = clock.now()
      requireWhole('what the clock gives', nowMs)
      return nowMs
    },
    after: (delayMs, callback, isAwaited) => clock.after(delayMs, callback, isAwaited),
    ...(clock.turnEnd === undefined ? {} : { turnEnd: () => clock.turnEnd!() }),
  }
}

/** Throws INVALID_ARGUMENT. */
export function mapOptions(given: MapOptions | undefined): MapOptions {
  if (given === undefined) return {}
  requireObject('options', given)
  const options = { ...given }
  if (options.buckets !== undefined) requireWhole('buckets', options.buckets, 1, MOST_BUCKETS)
  if (options.values !== undefined) requireFunction('values', options.values)
  if (options.onProgress !== undefined) requireFunction('onProgress', options.onProgress)
  requireSignal(options.signal)
  return options
}

/** For a tree that the store has not, whatever was given as its name. */
export function unknownTree(name: unknown): StorageError {
  const told = typeof name === 'string' ? name : nameOf(name)
  return new StorageError('UNKNOWN_TREE', `there is no tree ${told}`, { tree: told })
}
