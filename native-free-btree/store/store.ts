/** What every open store does, with a writer or without: reads of the last commit, snapshots, checks. */
import type {
  CheckReport,
  EntryPlace,
  RecoveryReport,
  Reference,
  SharedProgress,
  SnapshotHandle,
  Store,
  Transaction,
  TransactOptions,
  Turn,
} from '../api.ts'
import { bytesOf, requireFunction, targetOf, unknownTree } from '../arguments.ts'
import type { FileSystem } from '../disk/file-system.ts'
import type { Tree } from '../tree/tree.ts'
import { checkStore } from './check.ts'
import { FileReader } from './file-reader.ts'
import type { LoadedFile } from './loaded-file.ts'
import type { StoreOptions } from './options.ts'
import { StoreSnapshot } from './snapshot.ts'

export abstract class FileStore<File extends LoadedFile>
  extends FileReader<File, StoreSnapshot>
  implements Store
{
  readonly recovery: RecoveryReport

  protected constructor(
    path: string,
    options: StoreOptions,
    fileSystem: FileSystem,
    file: File,
    recovery: RecoveryReport,
  ) {
    super(path, file.located.uuid.toString('hex'), options, fileSystem, file)
    this.recovery = recovery
  }

  abstract readonly durableEnd: number
  abstract transact<T>(build: (tx: Transaction) => T, options?: TransactOptions<T>): Promise<T>
  abstract appendStream(source: AsyncIterable<Uint8Array>): Promise<Reference>
  abstract checkpoint(): Promise<void>
  abstract exportSnapshot(): Promise<SnapshotHandle>
  abstract turn(): Promise<Turn>
  abstract slowDown(delayMs: number): void
  abstract settled(): Promise<void>
  abstract refresh(): Promise<void>
  abstract shareProgress(): SharedProgress

  /** Whether `check` looks at what lies behind the last group: while a writer appends, that is its business. */
  protected abstract readonly looksBehind: boolean

  protected tree(name: string): Tree {
    this.assertReadable()
    const tree = this.current.trees.get(name)
    if (tree === undefined) throw unknownTree(name)
    tree.assertReadable()
    return tree
  }

  get(name: string, key: Uint8Array): Buffer | undefined {
    return this.tree(name).get(bytesOf('a key', key), this.current.values)
  }

  getInto(name: string, key: Uint8Array, target: Uint8Array): number {
    const tree = this.tree(name)
    return tree.getInto(bytesOf('a key', key), targetOf('a target', target), this.current.values)
  }

  place(name: string, bytes: Uint8Array, start: number, end: number, into: EntryPlace): boolean {
    const tree = this.tree(name)
    return tree.place(this.holderOf(bytes, start, end), start, end, this.current.values, into)
  }

  has(name: string, key: Uint8Array): boolean {
    return this.tree(name).has(bytesOf('a key', key))
  }

  protected show(onClose: (closed: StoreSnapshot) => void): StoreSnapshot {
    return new StoreSnapshot(this.commit, this.current, onClose)
  }

  protected backupEnd(): number {
    return this.durableEnd
  }

  protected contents(): { trees: Iterable<Tree>; dirtyBytes: number } {
    return { trees: this.current.trees.values(), dirtyBytes: this.current.ledger.totalBytes }
  }

  async check(onProgress?: (done: number, total: number) => void): Promise<CheckReport> {
    if (onProgress !== undefined) requireFunction('onProgress', onProgress)
    const snapshot = this.openSnapshot()
    const { durableEnd, looksBehind } = this
    try {
      const { file, source, salt } = snapshot.file
      return await checkStore(file, source, salt, snapshot.roots(), { durableEnd, looksBehind }, onProgress)
    } finally {
      snapshot.close()
    }
  }
}
