/** What one run of a workload is given and gives back; it crosses from process to process. */
import type { Distribution } from './chooser.ts'
import type { Latency } from './recorder.ts'

export interface Job {
  /** A name of a workload, or `sync-probe`: `actions` durable commits on a new store, for who counts their calls. */
  readonly workload: string
  /** What stood behind `--store`. */
  readonly words: string
  readonly settings: Readonly<Record<string, string>>
  readonly folder: string
  readonly cacheBytes: number
  /** Documents, or records. */
  readonly records: number
  readonly seed: number
  /** Of the part that is measured, and as much as a quarter of it before. */
  readonly seconds: number
  /** Most actions. */
  readonly actions: number
  /** Whether writes have to be durable. */
  readonly durable: boolean
  /** In place of YCSB's own of each workload. */
  readonly distribution?: Distribution | undefined
  /** Whether the records have to be put first: they are not there, or those of earlier workloads are. */
  readonly fills: boolean
}

/** What is known of a run, by name; what a machine or a workload does not tell is not there. */
export interface Figures {
  /** Units in a second. */
  rate?: number
  /** CPU time of the store's process for each unit; the making of keys and values is not in it. */
  cpuUs?: number
  /** Most memory that the store's process had, with node and mapped files. */
  peakMemoryBytes?: number
  /** The same before the store was opened. */
  baseMemoryBytes?: number
  /** Bytes given to write() for each byte of keys and values, from the opening to the end of the close. */
  writeAmplification?: number
  /** The same of bytes sent to the device. */
  deviceAmplification?: number
  /** Room in the file system after the close for each byte of the keys and values that are there. */
  spaceAmplification?: number
  openMs?: number
  firstReadMs?: number
  closeMs?: number
  syncsPerCommit?: number
  /** Of the machine's processors, how many others than the lab kept busy meanwhile. */
  othersCores?: number
}

export type FigureName = keyof Figures

export interface RunResult {
  readonly figures: Figures
  /** By the kind of action: `read`, `update`, `insert`, `scan`, `read-modify-write`, `open`, and `all` of several. */
  readonly latencies: Readonly<Record<string, Latency>>
  /** Units that ended within each 100 ms. */
  readonly buckets: readonly number[]
}
