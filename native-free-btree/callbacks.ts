/**
 * Code of the caller's that runs in the middle of the engine's work: orders, summaries, the finding of references.
 * What keeps a store safe from it:
 * - It is given copies. A page, or the group that is being formed, is never changed through an argument.
 * - What it gives is looked at, and copied where it is kept.
 * - It runs while pages are being changed, so it may not call the library: whatever it asks is refused.
 */
import type { Comparator, Reducer, TreeOptions } from './api.ts'
import { bytesOf, referenceOf, refuse } from './arguments.ts'
import { StorageError } from './errors.ts'
import type { MapOptions, NamedValue } from './inspection.ts'

export interface Compare {
  (a: Uint8Array, b: Uint8Array): number
  /** As the comparator's. Where keys lie in pages, who searches looks at this and calls nobody. */
  readonly bytewiseBelow: number
}

let isRunning = false

function run<T>(callback: () => T): T {
  isRunning = true
  try {
    return callback()
  } finally {
    isRunning = false
  }
}

/** Throws INVALID_ARGUMENT within a comparator, a reducer, `references` or a map's `values`. */
export function assertOutside(): void {
  if (!isRunning) return
  throw new StorageError(
    'INVALID_ARGUMENT',
    "a comparator, a reducer, `references` and a map's `values` must not call the library",
  )
}

/** The comparator's order. Throws what it throws, and INVALID_ARGUMENT when it gives no number. */
export function comparing(comparator: Comparator): Compare {
  const { bytewiseBelow = 0 } = comparator
  const compare = (a: Uint8Array, b: Uint8Array): number => {
    if (a[0]! < bytewiseBelow && b[0]! < bytewiseBelow) return Buffer.compare(a, b)
    const order = run(() => comparator.compare(new Uint8Array(a), new Uint8Array(b)))
    if (typeof order === 'number' && !Number.isNaN(order)) return order
    return refuse(`what the comparator ${comparator.name} gives`, 'a number', order)
  }
  return Object.assign(compare, { bytewiseBelow })
}

/** Pages up to here are copied to where the one before was. */
const LENT_BYTES = 64 * 1024
let desk: Uint8Array | undefined

/** A copy that is good until the next one. */
function lent(bytes: Uint8Array): Uint8Array {
  if (bytes.length > LENT_BYTES) return new Uint8Array(bytes)
  desk ??= new Uint8Array(LENT_BYTES)
  desk.set(bytes)
  return desk
}

/**
 * The reducer, with results that nobody else holds; `combineAll` takes copies as they are. Throws what it throws, and INVALID_ARGUMENT for other than bytes
 * and for a summary that is longer than it promised.
 */
export function reducing(reducer: Reducer): Reducer {
  return reducer.mapAll === undefined ? new GuardedReducer(reducer) : new GuardedReducerOfMany(reducer)
}

/** Methods of a class, not functions of each reducer: see `GivenReducer` in arguments.ts. */
class GuardedReducer implements Reducer {
  readonly name: string
  readonly version: number
  readonly maxBytes: number
  protected readonly given: Reducer
  readonly combineAll: Reducer['combineAll']

  constructor(given: Reducer) {
    this.name = given.name
    this.version = given.version
    this.maxBytes = given.maxBytes
    this.given = given
    this.combineAll =
      given.combineAll && ((bytes: Uint8Array, bounds: Uint32Array) => this.#combinedAll(bytes, bounds))
  }

  #combinedAll(bytes: Uint8Array, bounds: Uint32Array): Buffer {
    isRunning = true
    try {
      return this.kept(this.given.combineAll!(bytes, bounds))
    } finally {
      isRunning = false
    }
  }

  map(key: Uint8Array, value: Uint8Array): Buffer {
    isRunning = true
    try {
      return this.#owned(this.given.map(new Uint8Array(key), new Uint8Array(value)))
    } finally {
      isRunning = false
    }
  }

  combine(parts: readonly Uint8Array[]): Buffer {
    const copies: Uint8Array[] = []
    for (const part of parts) copies.push(new Uint8Array(part))
    isRunning = true
    try {
      return this.kept(this.given.combine(copies))
    } finally {
      isRunning = false
    }
  }

  #owned(given: Uint8Array): Buffer {
    return Buffer.from(bytesOf(`what the reducer ${this.name} gives`, given))
  }

  protected kept(given: Uint8Array): Buffer {
    const summary = this.#owned(given)
    const { name, maxBytes } = this
    const bytes = summary.length
    if (bytes <= maxBytes) return summary
    throw new StorageError('INVALID_ARGUMENT', `the reducer ${name} gave more than it promised`, {
      bytes,
      maxBytes,
    })
  }
}

class GuardedReducerOfMany extends GuardedReducer {
  mapAll(bytes: Uint8Array, bounds: Uint32Array): Buffer {
    isRunning = true
    try {
      return this.kept(this.given.mapAll!(lent(bytes), bounds))
    } finally {
      isRunning = false
    }
  }
}

/** As `references` of a tree's options. Throws what it throws, and INVALID_ARGUMENT. */
export function referring(
  references: NonNullable<TreeOptions['references']>,
): (value: Uint8Array) => Uint8Array[] {
  return (value) =>
    run(() => [...references(new Uint8Array(value))]).map((reference) => bytesOf('a reference', reference))
}

/** As `values` of a map's options. Throws what it throws, and INVALID_ARGUMENT. */
export function naming(
  values: NonNullable<MapOptions['values']>,
): (tree: string, value: Uint8Array) => NamedValue[] {
  return (tree, value) =>
    run(() => [...values(tree, new Uint8Array(value))]).map(({ reference, kind }) => {
      if (typeof kind !== 'string') refuse('a kind of values', 'a string', kind)
      return { reference: referenceOf(reference), kind }
    })
}
