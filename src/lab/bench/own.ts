/** The workloads of the storage engine's own benchmark, for every store: documents of 32 bytes of key and 301 of value. */
import type { Operation } from '../api.ts'
import { BODY_BYTES, Documents } from '../measure/documents.ts'
import { Random } from '../random.ts'
import type { Action, ActionSource } from './action.ts'

const LOAD_BATCH = 1000
export const UPDATE_BATCH = 100
export const RANGE = 100

/** Beyond the documents that were loaded; each workload adds its own. */
export const FIRST_COMMITTED = 1 << 30
export const FIRST_OF_WRITERS = (1 << 30) + (1 << 29)

export interface OwnOptions {
  readonly seed: number
  /** Documents that were loaded. */
  readonly records: number
}

/** Keys that ascend, as long as the others. */
function sequentialKey(number: number): Buffer {
  return Buffer.from(number.toString(16).padStart(32, '0'))
}

/** As many records as there are, in batches. */
export function batchesOf(records: number, record: (number: number) => Operation): ActionSource {
  let from = 0
  return {
    unit: 'documents',
    most: Math.ceil(records / LOAD_BATCH),
    next() {
      const count = Math.min(LOAD_BATCH, records - from)
      const operations = Array.from({ length: count }, (_, index) => record(from + index))
      from += count
      return { kind: 'insert', operations }
    },
  }
}

/** All documents: in the order of their keys, or scattered. */
export function loadSource({ seed, records }: OwnOptions, order: 'sequential' | 'random'): ActionSource {
  const made = new Documents(seed)
  return batchesOf(records, (number) =>
    order === 'random' ? made.put(number) : { key: sequentialKey(number), value: made.body(number) },
  )
}

/** The actions that `make` gives, without an end. */
function endless(unit: ActionSource['unit'], make: () => Action): ActionSource {
  return { unit, next: make }
}

export function getSource({ seed, records }: OwnOptions): ActionSource {
  const [made, random] = [new Documents(seed), new Random(seed)]
  return endless('operations', () => ({
    kind: 'read',
    key: made.id(random.int(records)),
    valueBytes: BODY_BYTES,
  }))
}

/** Of everything, from the first key to the last. */
export function scanSource(): ActionSource {
  return endless('documents', () => ({ kind: 'scan', start: undefined, limit: undefined }))
}

export function rangeSource({ seed, records }: OwnOptions): ActionSource {
  const [made, random] = [new Documents(seed), new Random(seed)]
  return endless('operations', () => ({ kind: 'scan', start: made.id(random.int(records)), limit: RANGE }))
}

/** Of random documents, a batch at a time. */
export function updateSource({ seed, records }: OwnOptions): ActionSource {
  const [made, random] = [new Documents(seed), new Random(seed)]
  let version = 1
  return endless('documents', () => {
    version += 1
    const operations = Array.from({ length: UPDATE_BATCH }, () => made.put(random.int(records), version))
    return { kind: 'update', operations }
  })
}

/** New documents, one at a time. */
export function commitSource({ seed }: OwnOptions, first: number): ActionSource {
  const made = new Documents(seed)
  let number = first
  return endless('documents', () => ({ kind: 'insert', operations: [made.put(number++)] }))
}
