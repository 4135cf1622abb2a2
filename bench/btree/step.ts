/** One step of the work: what it is given, what it gives back. Each runs in a process of its own. */
import type { Engine } from '../../src/lab/peers/adapter.ts'

/** Name of the loop that only writes and syncs. */
export const BARE = 'bare loop'

/** Given to the process as JSON. */
export interface Job {
  step: string
  /** A name of an engine, or BARE. */
  engine: string
  /** The engine's own folder; its store is in it. */
  folder: string
  /** Documents that the store holds when the load is complete. */
  documents: number
  /** How much is to be done, in the step's own unit. */
  operations: number
  /** Of the engine's cache. */
  cacheBytes: number
  seed: number
  /** Of this engine's steps in this round; sets apart what they add and change. */
  round: number
}

/** Figures by name; times in µs unless the name says otherwise. */
export type Figures = Record<string, number>

export interface StepContext extends Job {
  /** Where the store is. */
  path: string
  /** Throws PeerMissing. */
  open(): Engine
  /** Tells how far the step is, 0 to 1; may be called often. */
  progress(done: number): void
}

export type Step = (context: StepContext) => Promise<Figures>
