/** A store opened beside its writer, without a lock. It shows one commit, and moves on when `refresh` is called. */
import type { Reference, SharedProgress, SnapshotHandle, Turn } from '../api.ts'
import { requireAmount } from '../arguments.ts'
import type { FileSystem } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import { identify } from '../log/recovery.ts'
import { settleInTurns } from '../write/settling.ts'
import { NO_WRITER, type WriterStats } from './file-reader.ts'
import { LoadedFile } from './loaded-file.ts'
import { type StoreOptions, spaceOf } from './options.ts'
import { loadBesideWriter, type Parts, reportOf } from './parts.ts'
import { FileStore } from './store.ts'

export class ReadOnlyStore extends FileStore<LoadedFile> {
  #refreshing: Promise<void> = Promise.resolve()

  constructor(path: string, options: StoreOptions, fileSystem: FileSystem, parts: Parts) {
    super(path, options, fileSystem, new LoadedFile(parts), reportOf(parts, false))
  }

  get commit(): number {
    return this.current.located.end.commit
  }

  get durableEnd(): number {
    return this.current.located.end.position
  }

  protected get looksBehind(): boolean {
    return true
  }

  async settled(): Promise<void> {
    this.assertOpen()
    await settleInTurns(this.current.trees.values(), this.clock, () => !this.isClosing)
    this.assertOpen()
  }

  async refresh(): Promise<void> {
    this.assertReadable()
    // One after another: an earlier one that ends later must not take the store back.
    const refreshed = this.#refreshing.then(() => this.#refresh())
    this.#refreshing = refreshed.catch(() => {})
    await refreshed
  }

  async #refresh(): Promise<void> {
    const file = await this.fileSystem.open(this.path, 'read')
    let replaced: Parts | undefined
    try {
      const { salt, uuid } = await identify(file)
      if (uuid.toString('hex') !== this.uuid) {
        throw new StorageError('NOT_FOUND', `${this.path} is another store by now`, { path: this.path })
      }
      if (salt !== this.current.salt) {
        replaced = await loadBesideWriter(file, this.fileSystem, this.options, spaceOf(this.options))
      }
    } finally {
      if (replaced === undefined) await file.close()
    }
    if (replaced === undefined) await this.#reload()
    else if (!this.isClosing) this.use(new LoadedFile(replaced))
    else await new LoadedFile(replaced).close()
    this.assertNotClosing()
  }

  /** Loads the same file again. */
  async #reload(): Promise<void> {
    const open = this.current
    const parts = await loadBesideWriter(open.file, this.fileSystem, this.options, open.space)
    if (this.isClosing) parts.ledger.clear()
    this.assertNotClosing()
    open.reload(parts)
  }

  async appendStream(): Promise<Reference> {
    this.#refuseWrite()
  }

  async transact<T>(): Promise<T> {
    this.#refuseWrite()
  }

  async checkpoint(): Promise<void> {
    this.#refuseWrite()
  }

  async exportSnapshot(): Promise<SnapshotHandle> {
    this.#refuseWrite()
  }

  async turn(): Promise<Turn> {
    this.#refuseWrite()
  }

  shareProgress(): SharedProgress {
    this.#refuseWrite()
  }

  /** Throws READ_ONLY; CLOSED when it is. */
  #refuseWrite(): never {
    this.assertOpen()
    throw new StorageError('READ_ONLY', 'the store was opened for reading')
  }

  /** There is no writer to slow down. */
  slowDown(delayMs: number): void {
    requireAmount('delayMs', delayMs)
  }

  protected writerStats(): WriterStats {
    return NO_WRITER
  }
}
