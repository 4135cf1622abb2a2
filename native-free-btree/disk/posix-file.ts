/**
 * The real disk, by node:fs.
 *
 * - Descriptors are plain numbers, so a call after close would reach whichever file got the number next: every
 *   call is guarded, and `close` waits for the calls still in the thread pool before it gives the number back.
 * - Small writes are synchronous: into the page cache they take 5 to 20 µs, less than a trip to the thread pool.
 * - libuv repeats calls that a signal interrupted, except reads; reads and writes are repeated here too.
 *   `fdatasync` is never repeated by this file: after a failure Linux counts the lost pages as clean, so a
 *   second success would prove nothing.
 */
import * as fs from 'node:fs'
import { StorageError, systemErrorCode } from '../errors.ts'
import type { FileSystem, OpenMode, StorageFile } from './file-system.ts'
import { NamePlace } from './name-place.ts'
import { SyncPlace } from './sync-place.ts'
import { giveWay } from './system.ts'

/** Up to this many bytes are written without leaving the event loop's thread. */
const SYNC_WRITE_LIMIT = 64 * 1024
/** A sync of more than so much is never run on the calling thread. */
const SYNC_HERE_BYTES = 256 * 1024
/** One call moves at most this much: Node and Linux both refuse 2 GiB. */
const CALL_LIMIT = 1 << 30
/** A regular file should never answer EAGAIN; some network and FUSE file systems do, for a while. */
const RETRY_LIMIT = 1000

const OPEN_FLAGS: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
}

function isTransient(error: unknown): boolean {
  const code = systemErrorCode(error)
  return code === 'EINTR' || code === 'EAGAIN'
}

function call<T>(start: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, result) => (error ? reject(error) : resolve(result)))
  })
}

function callVoid(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return call<void>((done) => start((error) => done(error, undefined)))
}

/** Runs `attempt` again after EINTR and EAGAIN, giving other work a turn in between. */
async function retried<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!isTransient(error) || tries >= RETRY_LIMIT) throw error
      await giveWay()
    }
  }
}

type Move = (fd: number, bytes: Uint8Array, from: number, length: number, position: number) => number

/**
 * One call of `fs.readSync` or `fs.writeSync`, and more where it was interrupted. It is given its arguments, not a closure, as there are
 * millions of calls.
 */
function moveSync(
  move: Move,
  descriptor: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  position: number,
): number {
  for (let tries = 1; ; tries++) {
    try {
      return move(descriptor, bytes, from, length, position)
    } catch (error) {
      if (!isTransient(error) || tries >= RETRY_LIMIT) throw error
    }
  }
}

/** A write that moves nothing and reports nothing would otherwise be repeated for ever. */
function assertProgress(written: number, path: string): void {
  if (written > 0) return
  throw Object.assign(new Error(`EIO: write made no progress: ${path}`), {
    code: 'EIO',
    syscall: 'write',
    path,
  })
}

class NodeFile implements StorageFile {
  readonly path: string
  private readonly descriptor: number
  /** Calls in the thread pool that use the descriptor. */
  private inFlight = 0
  private closing: Promise<void> | undefined
  /** A cut is not synced yet: POSIX lets `fdatasync` leave a new length out, so the next sync is a full one. */
  private lengthChanged = false
  /** Of the path that was asked for last. */
  private place: NamePlace | undefined
  private whenIdle: (() => void) | undefined
  /** Undefined: syncs run in the thread pool. */
  private readonly syncPlace: SyncPlace | undefined
  private unsyncedBytes = 0

  constructor(path: string, descriptor: number, syncPlace: SyncPlace | undefined) {
    this.path = path
    this.descriptor = descriptor
    this.syncPlace = syncPlace
  }

  size(): number {
    this.assertOpen()
    return fs.fstatSync(this.descriptor).size
  }

  /** One stat, of 4 µs. The link count would tell less: a file that was renamed, or has a second name, keeps it. */
  isAt(path: string): boolean {
    this.assertOpen()
    if (this.place?.path !== path) {
      this.place = new NamePlace(path, fs.fstatSync(this.descriptor, { bigint: true }))
    }
    return this.place.leadsThere()
  }

  readSync(target: Uint8Array, position: number): number {
    this.assertOpen()
    const { length } = target
    let done = 0
    while (done < length) {
      const part = Math.min(length - done, CALL_LIMIT)
      const read = moveSync(fs.readSync, this.descriptor, target, done, part, position + done)
      if (read === 0) break
      done += read
    }
    return done
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return this.tracked(async () => {
      let done = 0
      while (done < target.length) {
        const length = Math.min(target.length - done, CALL_LIMIT)
        const read = await retried(() =>
          call<number>((end) => fs.read(this.descriptor, target, done, length, position + done, end)),
        )
        if (read === 0) break
        done += read
      }
      return done
    })
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    this.unsyncedBytes += source.length
    if (source.length > SYNC_WRITE_LIMIT) return this.tracked(() => this.writeLarge(source, position))
    this.assertOpen()
    let done = 0
    while (done < source.length) {
      const left = source.length - done
      const written = moveSync(fs.writeSync, this.descriptor, source, done, left, position + done)
      assertProgress(written, this.path)
      done += written
    }
  }

  async sync(): Promise<void> {
    const isShort = this.unsyncedBytes <= SYNC_HERE_BYTES && !this.lengthChanged
    this.unsyncedBytes = 0
    if (isShort && this.syncPlace?.isHere()) {
      this.assertOpen()
      this.syncPlace.run(() => fs.fdatasyncSync(this.descriptor))
      return
    }
    if (!this.lengthChanged) return this.tracked(() => callVoid((end) => fs.fdatasync(this.descriptor, end)))
    this.lengthChanged = false
    return this.tracked(() => callVoid((end) => fs.fsync(this.descriptor, end)))
  }

  async truncate(length: number): Promise<void> {
    this.lengthChanged = true
    return this.tracked(() => callVoid((end) => fs.ftruncate(this.descriptor, length, end)))
  }

  close(): Promise<void> {
    this.closing ??= this.closeWhenIdle()
    return this.closing
  }

  private async closeWhenIdle(): Promise<void> {
    if (this.inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.whenIdle = resolve
      })
    }
    await callVoid((end) => fs.close(this.descriptor, end))
  }

  private async writeLarge(source: Uint8Array, position: number): Promise<void> {
    let done = 0
    while (done < source.length) {
      const length = Math.min(source.length - done, CALL_LIMIT)
      const written = await retried(() =>
        call<number>((end) => fs.write(this.descriptor, source, done, length, position + done, end)),
      )
      assertProgress(written, this.path)
      done += written
    }
  }

  private async tracked<T>(work: () => Promise<T>): Promise<T> {
    this.assertOpen()
    this.inFlight++
    try {
      return await work()
    } finally {
      this.inFlight--
      if (this.inFlight === 0) this.whenIdle?.()
    }
  }

  private assertOpen(): void {
    if (this.closing === undefined) return
    throw new StorageError('CLOSED', `The file is closed: ${this.path}`, { path: this.path })
  }
}

async function openFile(path: string, mode: OpenMode, syncPlace?: SyncPlace): Promise<StorageFile> {
  const descriptor = await call<number>((end) => fs.open(path, OPEN_FLAGS[mode], 0o666, end))
  return new NodeFile(path, descriptor, syncPlace)
}

/** The file system of the operating system. Its errors are those of node:fs, with their `code`. */
export const nodeFileSystem: FileSystem = {
  open: (path, mode) => openFile(path, mode),

  async exists(path) {
    try {
      await fs.promises.stat(path)
      return true
    } catch (error) {
      const code = systemErrorCode(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return false
      throw error
    }
  },

  async rename(from, to) {
    await fs.promises.rename(from, to)
  },

  async remove(path) {
    try {
      await fs.promises.unlink(path)
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error
    }
  },

  /** On Windows a directory cannot be opened and its entries are journaled by NTFS itself: nothing is done. */
  async syncDirectory(path) {
    if (process.platform === 'win32') return
    const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY
    const descriptor = await call<number>((end) => fs.open(path, flags, end))
    try {
      await callVoid((end) => fs.fsync(descriptor, end)).catch((error: unknown) => {
        throw new StorageError('SYNC_FAILED', `the folder ${path} could not be synced`, { path }, error)
      })
    } finally {
      await callVoid((end) => fs.close(descriptor, end))
    }
  },
}

/**
 * The same for a thread that short syncs may hold, as long as the disk is quick about them: always, or when `mayHold` says so, which
 * is asked before each.
 */
export function writerFileSystem(mayHold: () => boolean = () => true): FileSystem {
  const syncPlace = new SyncPlace(mayHold)
  return { ...nodeFileSystem, open: (path, mode) => openFile(path, mode, syncPlace) }
}
