import type { Transaction } from '../../../native-free-btree/index.ts'
import type { AppendedBodies } from './turn-source.ts'

/** What a transaction of edits works with. */
export interface UpdateContext {
  tx: Transaction
  /** Of the file that the transaction is written to. */
  salt: bigint
  revsLimit: number
  /** The next number of the update sequence. */
  nextSeq(): number
  /** Takes it. */
  takeSeq(): number
  /** Gets the bodies that are appended. */
  appended: AppendedBodies
}
