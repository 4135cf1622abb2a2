/** An open file with its writer: what a store that was opened for writing has, from the beginning to the end. */
import type { Clock } from '../clock.ts'
import { PART_BYTES } from '../log/builder.ts'
import { Writer } from '../write/pump.ts'
import { LoadedFile } from './loaded-file.ts'
import { cacheOf, type StoreOptions } from './options.ts'
import type { Parts } from './parts.ts'

/** Most zeros that are written ahead at a time: with a small group they make no sync that the calling thread must not wait for. */
const ROOM_BYTES = 192 * 1024
/**
 * Each leaf that one change has dirtied costs as much to write as one with many, so checkpoints are to be few. A dirty leaf
 * takes the place of a clean one in the cache; the rest of it has the inner nodes, and what is read.
 */
const DIRTY_SHARE = 0.75
/** Bounds what a crash leaves to be replayed. */
const MOST_DIRTY_BYTES = 128 * 1024 * 1024

/** What the writer of a file needs beside the file. */
export interface Writing {
  /** The store's, absolute. */
  path: string
  options: StoreOptions
  clock: Clock
  /** Makes the file's name durable before the first group; undefined when it is. */
  syncName: (() => Promise<void>) | undefined
  /** The writer of the file that this one succeeds; undefined when the store is being opened. */
  before?: Writer
}

export class WritableFile extends LoadedFile {
  readonly writer: Writer

  constructor(parts: Parts, { path, options, clock, syncName, before }: Writing) {
    super(parts)
    const { located, loaded } = parts
    this.writer = new Writer({
      file: this.file,
      path,
      clock,
      ledger: this.ledger,
      source: this.source,
      values: this.values,
      trees: this.trees,
      queue: before?.queue,
      syncName,
      limits: {
        checkpointLogBytes: options.checkpointLogBytes ?? 32 * 1024 * 1024,
        dirtyBytes:
          options.dirtyBytes ?? Math.min(cacheOf(options).budgetBytes * DIRTY_SHARE, MOST_DIRTY_BYTES),
        queueBytes: options.queueBytes ?? 16 * 1024 * 1024,
        roomBytes: options.roomBytes ?? ROOM_BYTES,
        aheadBytes: options.aheadBytes ?? 0,
        partBytes: Math.min(options.partBytes ?? PART_BYTES, PART_BYTES),
      },
      state: {
        uuid: located.uuid,
        salt: located.salt,
        end: located.end.position,
        lastHash: located.end.lastHash,
        lastPosition: located.end.lastPosition,
        // A store's commits are counted on, whatever the file that takes its name has counted.
        commit: Math.max(located.end.commit, before?.commit ?? 0),
        generation: located.generation,
        sequence: located.sequence,
        nextSlot: located.nextSlot,
        checkpoint: located.end.checkpoint,
        replay: { position: loaded.replayPosition, previousHash: loaded.replayPreviousHash },
        replayBytes: loaded.replayBytes,
        clean: located.clean,
        features: located.features,
      },
    })
    for (const tree of loaded.added) this.writer.define(tree)
  }
}
