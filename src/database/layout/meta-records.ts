/**
 * The records of the `meta` tree: what a database knows of itself. They are msgpack maps, so that a later
 * version may add members; a member that is missing has its default. `_security` is kept as the canonical
 * JSON that a client gets back.
 *
 * | key | value |
 * |---|---|
 * | `database` | msgpack `{ format, uuid, instanceStartTime, properties }`, written once, at creation |
 * | `settings` | msgpack `{ revsLimit, purgedInfosLimit }` |
 * | `sequences` | msgpack `{ update, purge, firstPurge }`: the change that the last purge was, and `purge.ts` |
 * | `security` | canonical JSON |
 * | `epochs` | `sequence.ts` |
 */
import type { Transaction } from '../../../native-free-btree/index.ts'
import { DatabaseError } from '../../base/errors.ts'
import { packMessage, unpackMessage } from '../../base/msgpack.ts'
import { TREES } from './layout.ts'

export interface DatabaseProperties {
  partitioned: boolean
  /** Numbers of shards and of copies: asked for at creation, reported, of no effect. */
  q: number
  n: number
}

export interface DatabaseRecord {
  /** Version of the layout of all trees. */
  format: number
  uuid: string
  instanceStartTime: string
  properties: DatabaseProperties
}

export interface SettingsRecord {
  revsLimit: number
  purgedInfosLimit: number
}

export interface SequencesRecord {
  /** Number of the change that the last purge was: no change may stand behind it any more. */
  update: number
  /** Number of the last purge. */
  purge: number
  /** Number of the oldest purge that is remembered. */
  firstPurge: number
}

interface Records {
  database: DatabaseRecord
  settings: SettingsRecord
  sequences: SequencesRecord
}

export const DEFAULT_SETTINGS: SettingsRecord = { revsLimit: 1000, purgedInfosLimit: 1000 }
export const DEFAULT_SEQUENCES: SequencesRecord = { update: 0, purge: 0, firstPurge: 1 }

const SECURITY = Buffer.from('security')
const EPOCHS = Buffer.from('epochs')

interface Reading {
  get(tree: string, key: Uint8Array): Buffer | undefined
}

/** A record, or undefined where it was never written. Throws storage_damaged when it is none. */
export function readRecord<Name extends keyof Records>(
  source: Reading,
  name: Name,
): Partial<Records[Name]> | undefined {
  const value = source.get(TREES.meta, Buffer.from(name))
  if (value === undefined) return undefined
  const record: unknown = unpackMessage(value)
  if (typeof record !== 'object' || record === null) {
    throw new DatabaseError('storageDamaged', `the record ${name} is not a map`)
  }
  return record as Partial<Records[Name]>
}

export function writeRecord<Name extends keyof Records>(
  tx: Transaction,
  name: Name,
  record: Records[Name],
): void {
  tx.put(TREES.meta, Buffer.from(name), packMessage(record))
}

/** Canonical JSON; undefined until it was set. */
export function readSecurity(source: Reading): Buffer | undefined {
  return source.get(TREES.meta, SECURITY)
}

export function writeSecurity(tx: Transaction, body: Uint8Array): void {
  tx.put(TREES.meta, SECURITY, body)
}

/** Undefined before the first change. */
export function readEpochs(source: Reading): Buffer | undefined {
  return source.get(TREES.meta, EPOCHS)
}

export function writeEpochs(tx: Transaction, record: Uint8Array): void {
  tx.put(TREES.meta, EPOCHS, record)
}
