/** What a workload asks of a store, one after another. */
import type { Operation } from '../api.ts'

export type Action =
  | { readonly kind: 'read'; readonly key: Buffer; readonly valueBytes: number }
  | { readonly kind: 'scan'; readonly start: Buffer | undefined; readonly limit: number | undefined }
  | { readonly kind: 'insert' | 'update'; readonly operations: readonly Operation[] }
  | { readonly kind: 'read-modify-write'; readonly operation: Operation }

export type ActionKind = Action['kind']

/** Makes actions outside of the time that is measured. Every action that was made is done, in the order of its making. */
export interface ActionSource {
  next(): Action
  /** Actions that there are in all; undefined where there is always one more. */
  readonly most?: number
  /** What a rate counts. */
  readonly unit: Unit
}

export type Unit = 'operations' | 'documents'

/** Of an action that is counted as documents. A scan says itself how many it gave. */
export function documentsIn(action: Action): number {
  return 'operations' in action ? action.operations.length : 1
}

/** Bytes of keys and values that an action writes. */
export function userBytesIn(action: Action): number {
  if (action.kind === 'read-modify-write') return bytesOf(action.operation)
  return 'operations' in action
    ? action.operations.reduce((sum, operation) => sum + bytesOf(operation), 0)
    : 0
}

function bytesOf({ key, value }: Operation): number {
  return key.length + (value?.length ?? 0)
}
