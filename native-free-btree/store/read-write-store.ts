/** A store opened for writing: its file always has a writer, through which everything is written. */
import { resolve } from 'node:path'
import type { Reference, SharedProgress, SnapshotHandle, Transaction, TransactOptions, Turn } from '../api.ts'
import { refuse, requireAmount, requireFunction, requireObject, requireSignal } from '../arguments.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { giveWay, systemClock } from '../disk/system.ts'
import type { StorageError } from '../errors.ts'
import type { GroupBuilder } from '../log/builder.ts'
import { announce } from '../log/durable-ends.ts'
import { ProgressWriter } from '../log/progress.ts'
import type { Tree } from '../tree/tree.ts'
import type { Writer } from '../write/pump.ts'
import { appendStream } from './append-stream.ts'
import type { BulkStore } from './bulk-store.ts'
import { folderOf } from './create.ts'
import type { WriterStats } from './file-reader.ts'
import type { OpenFile } from './open-file.ts'
import type { StoreOptions } from './options.ts'
import { type Parts, reportOf } from './parts.ts'
import { FileStore } from './store.ts'
import { succeed, turnOf } from './successor.ts'
import { WritableFile, type Writing } from './writable-file.ts'

/** The store's lock, held from its opening to its close. */
export interface Lock {
  release(): Promise<void>
}

/** Of a transaction whose caller does not say. */
const DEFAULT_SIZE_HINT_BYTES = 256

export class ReadWriteStore extends FileStore<WritableFile> implements BulkStore {
  readonly #lock: Lock
  #unannounce: () => void
  #progress: ProgressWriter | undefined

  constructor(
    path: string,
    options: StoreOptions,
    fileSystem: FileSystem,
    parts: Parts,
    created: boolean,
    lock: Lock,
  ) {
    const writing = writingOf(path, options, fileSystem, created)
    super(path, options, fileSystem, new WritableFile(parts, writing), reportOf(parts, created))
    this.#lock = lock
    this.#unannounce = this.#announce()
  }

  /** Readers of the file in this thread ask its writer how far it is durable. Returns what ends that. */
  #announce(): () => void {
    const { salt, writer } = this.current
    return announce(this.fileSystem, this.path, {
      salt,
      get durableEnd() {
        return writer.durableEnd
      },
    })
  }

  get #writer(): Writer {
    return this.current.writer
  }

  get commit(): number {
    return this.#writer.commit
  }

  get durableEnd(): number {
    return this.#writer.durableEnd
  }

  protected get looksBehind(): boolean {
    return false
  }

  protected override assertReadable(): void {
    super.assertReadable()
    const { broken } = this.#writer
    if (broken !== undefined) throw broken
  }

  #assertWritable(): Writer {
    this.assertOpen()
    const writer = this.#writer
    if (writer.broken !== undefined) throw writer.broken
    return writer
  }

  async appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference> {
    this.#assertWritable()
    if (typeof source !== 'object' || source === null) refuse('a stream', 'an async iterable', source)
    const iterable = source as Partial<AsyncIterable<unknown> & Iterable<unknown>>
    if (typeof (iterable[Symbol.asyncIterator] ?? iterable[Symbol.iterator]) !== 'function') {
      refuse('a stream', 'an async iterable', source)
    }
    return appendStream(source, {
      current: () => this.current,
      append: (bytes) => this.#append(bytes.length, (builder) => builder.appendValue(bytes)),
      appendIndex: (file, references, length) =>
        this.#assertWritable().submit('chunk', references.length * 16, (_tx, builder) =>
          this.current === file ? builder.appendIndex(references, length) : undefined,
        ),
    })
  }

  /** Says of which file the reference is: it is appended to the one that is current in the writer's turn. */
  async #append(
    bytes: number,
    build: (builder: GroupBuilder) => Reference,
  ): Promise<{ reference: Reference; file: OpenFile }> {
    return this.#assertWritable().submit('chunk', bytes, (_tx, builder) => ({
      reference: build(builder),
      file: this.current,
    }))
  }

  async transact<T>(build: (tx: Transaction) => T, options: TransactOptions<T> = {}): Promise<T> {
    const writer = this.#assertWritable()
    requireFunction('build', build)
    requireObject('options', options)
    const { sizeHint = DEFAULT_SIZE_HINT_BYTES, signal, onDurable } = options
    requireAmount('sizeHint', sizeHint)
    requireSignal(signal)
    if (onDurable !== undefined) requireFunction('onDurable', onDurable)
    return writer.submit('transaction', sizeHint, (tx) => build(tx), signal, onDurable)
  }

  async checkpoint(): Promise<void> {
    let writer: Writer
    do {
      writer = this.#assertWritable()
      await writer.checkpoint()
      // Another file took the place of this one: what was written since is its to write.
    } while (this.#writer !== writer)
  }

  async exportSnapshot(): Promise<SnapshotHandle> {
    for (;;) {
      const writer = this.#assertWritable()
      const { salt } = this.current
      await writer.checkpoint()
      // A compaction may have given the store another file meanwhile: a checkpoint is good with its own file alone.
      if (this.#writer !== writer) continue
      const { path, uuid } = this
      return { path, uuid, salt, checkpoint: { ...writer.newestCheckpoint } }
    }
  }

  async settled(): Promise<void> {
    this.assertOpen()
    await this.#writer.settled()
    this.assertOpen()
  }

  shareProgress(): SharedProgress {
    const writer = this.#assertWritable()
    if (this.#progress === undefined) {
      this.#progress = new ProgressWriter(this.path, this.uuid)
      writer.shareProgress(this.#progress)
    }
    return this.#progress.shared
  }

  slowDown(delayMs: number): void {
    requireAmount('delayMs', delayMs)
    this.#writer.slowDown(delayMs)
  }

  async turn(): Promise<Turn> {
    return turnOf(await this.#assertWritable().turn(), (path) => this.#replaceWith(path))
  }

  /** In the writer's turn: the file at `path` becomes the store's, with a writer of its own that takes over the queue. */
  async #replaceWith(path: string): Promise<void> {
    const before = this.#assertWritable()
    const { options, fileSystem, uuid, salt } = this
    const succeeded = { path: this.path, uuid, salt, options, fileSystem, writer: before }
    const { parts, isNameDurable } = await succeed(succeeded, path)
    // What was resolved before the turn began has reached those who waited for it, references among it.
    await giveWay()
    const writing = writingOf(this.path, options, fileSystem, isNameDurable)
    const after = new WritableFile(parts, { ...writing, before })
    this.use(after)
    this.#unannounce()
    this.#unannounce = this.#announce()
    // Before anything is committed to the new file: who follows must not take the old one's end for the last word.
    if (this.#progress !== undefined) after.writer.shareProgress(this.#progress)
    before.handOver(after.writer)
  }

  /** A store with a writer shows every commit already. */
  async refresh(): Promise<void> {
    this.assertReadable()
  }

  protected writerStats(): WriterStats {
    const { checkpointRunning, queuedBytes, poisoned } = this.#writer
    const { recordBytesWritten, nodeBytesWritten, filledBytesWritten } = this.#writer
    return {
      checkpointRunning,
      queuedBytes,
      recordBytesWritten,
      nodeBytesWritten,
      filledBytesWritten,
      poisoned: poisoned?.message,
    }
  }

  // For those who make such a file: see bulk-load.ts.

  bulk<T>(bytes: number, build: (builder: GroupBuilder) => T): Promise<T> {
    return this.#assertWritable().submit('chunk', bytes, (_tx, builder) => build(builder))
  }

  treeOf(name: string): Tree {
    return this.tree(name)
  }

  protected override finishWork(reason: StorageError): Promise<void> {
    return this.#writer.close(reason)
  }

  protected override releaseMemory(): void {
    this.#unannounce()
    this.#progress?.close()
    this.#writer.release()
  }

  protected override releaseLock(): Promise<void> {
    return this.#lock.release()
  }
}

function writingOf(
  path: string,
  options: StoreOptions,
  fileSystem: FileSystem,
  isNameDurable: boolean,
): Writing {
  const absolute = resolve(path)
  const syncName = isNameDurable ? undefined : () => fileSystem.syncDirectory(folderOf(absolute))
  return { path: absolute, options, clock: options.clock ?? systemClock, syncName }
}
