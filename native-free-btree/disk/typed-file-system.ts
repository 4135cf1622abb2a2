/**
 * The file system that a store is given, with what it throws told in the terms of the table of errors, `cause` being what
 * it threw: callers of the library meet no raw `ENOENT`. All that the engine does to files goes through here.
 */
import { requireMethods } from '../arguments.ts'
import { StorageError, type StorageErrorCode, systemErrorCode } from '../errors.ts'
import type { FileSystem, OpenMode, StorageFile } from './file-system.ts'

const CODES: Record<string, StorageErrorCode> = {
  ENOENT: 'NOT_FOUND',
  ENOTDIR: 'NOT_FOUND',
  EEXIST: 'ALREADY_EXISTS',
  EISDIR: 'NOT_A_STORE',
}

/** The `StorageError` for an error of the operating system; anything else is a defect and stays what it is. */
export function storageErrorOf(error: unknown, path: string): unknown {
  const systemCode = systemErrorCode(error)
  if (systemCode === undefined) return error
  const code = CODES[systemCode] ?? 'IO_FAILED'
  return new StorageError(code, `${path}: ${(error as Error).message}`, { path, systemCode }, error)
}

/** What `work` does with the file at `path`, its errors typed. */
export async function typed<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw storageErrorOf(error, path)
  }
}

class TypedFile implements StorageFile {
  readonly path: string
  readonly #file: StorageFile

  constructor(path: string, file: StorageFile) {
    this.path = path
    this.#file = file
  }

  size(): number {
    try {
      return this.#file.size()
    } catch (error) {
      throw storageErrorOf(error, this.path)
    }
  }

  isAt(path: string): boolean {
    try {
      return this.#file.isAt(path)
    } catch (error) {
      throw storageErrorOf(error, this.path)
    }
  }

  readSync(target: Uint8Array, position: number): number {
    try {
      return this.#file.readSync(target, position)
    } catch (error) {
      throw storageErrorOf(error, this.path)
    }
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return typed(this.path, () => this.#file.read(target, position))
  }

  write(source: Uint8Array, position: number): Promise<void> {
    return typed(this.path, () => this.#file.write(source, position))
  }

  sync(): Promise<void> {
    return typed(this.path, () => this.#file.sync())
  }

  truncate(length: number): Promise<void> {
    return typed(this.path, () => this.#file.truncate(length))
  }

  close(): Promise<void> {
    return typed(this.path, () => this.#file.close())
  }
}

const FILE_METHODS = ['size', 'readSync', 'read', 'write', 'sync', 'truncate', 'close']

class TypedFileSystem implements FileSystem {
  readonly #beneath: FileSystem

  constructor(beneath: FileSystem) {
    this.#beneath = beneath
  }

  open(path: string, mode: OpenMode): Promise<StorageFile> {
    return typed(path, async () => {
      const file = await this.#beneath.open(path, mode)
      requireMethods('what `open` of the file system gives', file, FILE_METHODS)
      return new TypedFile(path, file)
    })
  }

  exists(path: string): Promise<boolean> {
    return typed(path, () => this.#beneath.exists(path))
  }

  rename(from: string, to: string): Promise<void> {
    return typed(to, () => this.#beneath.rename(from, to))
  }

  remove(path: string): Promise<void> {
    return typed(path, () => this.#beneath.remove(path))
  }

  syncDirectory(path: string): Promise<void> {
    return typed(path, () => this.#beneath.syncDirectory(path))
  }
}

/** One for each file system, so that the same one is known again. */
const made = new WeakMap<FileSystem, FileSystem>()

export function typedFileSystem(beneath: FileSystem): FileSystem {
  if (beneath instanceof TypedFileSystem) return beneath
  const known = made.get(beneath)
  if (known !== undefined) return known
  const wrapped = new TypedFileSystem(beneath)
  made.set(beneath, wrapped)
  return wrapped
}
