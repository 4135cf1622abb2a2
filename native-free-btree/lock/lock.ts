/**
 * One writer per store, across processes and within one: `PATH.lock` beside the store, never the store itself,
 * which compaction replaces.
 *
 * - Free to taken: the record is written to a temporary file and linked to the lock's name, which fails if it
 *   is taken. A lock is therefore never seen half written.
 * - A dead owner's lock, with token T, may be replaced only by the exclusive creator of the claim
 *   `PATH.lock.after-T`, who reads the lock again once the claim is made: if it still carries T, nobody else can
 *   replace it, and a rename puts the new record in place. Whoever comes later finds another token.
 * - A claimant that dies leaves its claim, a record like a lock's, with token C: it is succeeded by the
 *   exclusive creator of `PATH.lock.after-C`, and so on. As long as the lock carries T no claim of a dead process
 *   is removed, so the chain has one end only; the new owner removes it.
 */
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { requirePath } from '../arguments.ts'
import { typed } from '../disk/typed-file-system.ts'
import { StorageError, systemErrorCode } from '../errors.ts'
import { enterFolder, leaveFolder, readLock, removeLeftover, succeededIn } from './folder.ts'
import { currentProcess, type ProcessIdentity } from './identity.ts'
import { ownerState } from './owner.ts'
import { decodeLock, encodeLock, LOCK_VERSION, type LockRecord, type ReadLock } from './record.ts'

/** Each repetition means that another process got further; this many in a row mean that it is busy. */
const ATTEMPT_LIMIT = 100

export interface StoreLock {
  /** The lock file. */
  readonly path: string
  /** Gives the lock up and removes its files. Releasing twice is releasing once. */
  release(): Promise<void>
  /** Whether the file still says that this opening is the owner. Reads one small file. */
  verify(): boolean
}

interface Place {
  readonly directory: string
  readonly lockPath: string
  /** Folder and identity. */
  readonly folderKey: string
  /** Folder, base name and identity. */
  readonly storeKey: string
}

/** The stores that this thread has open for writing, whatever path they were opened by. */
const openStores = new Set<string>()

/**
 * Takes the writer's lock of the store at `path`, which need not exist yet; its folder must. `identity` is the
 * running process unless a test says otherwise.
 *
 * Throws StorageError LOCKED, with `details.lockPath` and, where known, `details.pid`, if another opening holds
 * it or nobody can tell whether its owner lives; INVALID_ARGUMENT; NOT_FOUND without a folder; IO_FAILED.
 */
export async function acquireLock(
  path: string,
  identity: ProcessIdentity = currentProcess(),
): Promise<StoreLock> {
  requirePath(path)
  return typed(path, () => acquireAt(path, identity))
}

async function acquireAt(path: string, identity: ProcessIdentity): Promise<StoreLock> {
  const place = await locate(path, identity)
  if (openStores.has(place.storeKey)) {
    const details = { lockPath: place.lockPath, pid: identity.pid }
    throw new StorageError(
      'LOCKED',
      `${path} is open for writing in this process (${identity.pid}).`,
      details,
    )
  }
  openStores.add(place.storeKey)
  try {
    return await acquireIn(place, identity)
  } catch (error) {
    openStores.delete(place.storeKey)
    throw error
  }
}

async function acquireIn(place: Place, identity: ProcessIdentity): Promise<StoreLock> {
  const socket = await enterFolder(place.folderKey, place.directory, identity)
  try {
    return new HeldLock(place, identity, await take(place, identity, socket))
  } catch (error) {
    await leaveFolder(place.folderKey, place.directory, identity)
    throw error
  }
}

/** The same store by another path (links, mounts) gives the same keys: the folder counts by its inode. */
async function locate(path: string, identity: ProcessIdentity): Promise<Place> {
  const real = await fs.promises.realpath(path).catch(async (error) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error
    return join(await fs.promises.realpath(dirname(path)), basename(path))
  })
  const directory = dirname(real)
  const { dev, ino } = await fs.promises.stat(directory, { bigint: true })
  const owner = `${identity.bootId} ${identity.pidNamespace} ${identity.pid} ${identity.startTime}`
  const folderKey = `${owner} ${dev}:${ino}`
  return { directory, lockPath: `${real}.lock`, folderKey, storeKey: `${folderKey}/${basename(real)}` }
}

class HeldLock implements StoreLock {
  readonly path: string
  private readonly place: Place
  private readonly identity: ProcessIdentity
  private readonly token: string
  private releasing: Promise<void> | undefined

  constructor(place: Place, identity: ProcessIdentity, token: string) {
    this.path = place.lockPath
    this.place = place
    this.identity = identity
    this.token = token
  }

  verify(): boolean {
    try {
      return decodeLock(fs.readFileSync(this.path), this.path).token === this.token
    } catch {
      return false
    }
  }

  release(): Promise<void> {
    this.releasing ??= typed(this.path, () => this.giveUp())
    return this.releasing
  }

  /** Nobody replaces the lock of a process that lives, so what is verified here is what is unlinked. */
  private async giveUp(): Promise<void> {
    try {
      if (this.verify()) await fs.promises.unlink(this.path)
    } finally {
      openStores.delete(this.place.storeKey)
      await leaveFolder(this.place.folderKey, this.place.directory, this.identity)
    }
  }
}

/** Returns the token of the lock that was taken. */
async function take(place: Place, identity: ProcessIdentity, socket: string | null): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPT_LIMIT; attempt++) {
    const held = await readLock(place.lockPath)
    if (held !== null) await refuseUnlessDead(held, place.lockPath, place, identity)
    const token = randomBytes(16).toString('hex')
    const temporary = `${place.lockPath}.temp-${token}`
    const { bootId, pidNamespace, pid, startTime } = identity
    const record: LockRecord = { version: LOCK_VERSION, bootId, pidNamespace, pid, startTime, token, socket }
    try {
      await fs.promises.writeFile(temporary, encodeLock(record), { flag: 'wx' })
      const taken =
        held === null
          ? await linkIfFree(temporary, place.lockPath)
          : await replace(place, identity, held, temporary, token)
      if (taken) return token
    } finally {
      await removeLeftover(temporary)
    }
  }
  const message = `${place.lockPath} changes hands too fast to be taken.`
  throw new StorageError('LOCKED', message, { lockPath: place.lockPath })
}

/** False if the name is taken, or if a sweeper took the temporary file for an abandoned one. */
async function linkIfFree(temporary: string, path: string): Promise<boolean> {
  try {
    await fs.promises.link(temporary, path)
    return true
  } catch (error) {
    const code = systemErrorCode(error)
    if (code === 'EEXIST' || code === 'ENOENT') return false
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
    const message = `${path} cannot be made: the file system has no hard links.`
    throw new StorageError('WRITE_FAILED', message, { lockPath: path }, error)
  }
}

/** False if a sweeper took the temporary file for an abandoned one. */
async function renameIfThere(temporary: string, path: string): Promise<boolean> {
  try {
    await fs.promises.rename(temporary, path)
    return true
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false
    throw error
  }
}

/** Puts the temporary file in the place of a dead owner's lock. False if the lock changed meanwhile. */
async function replace(
  place: Place,
  identity: ProcessIdentity,
  held: ReadLock,
  temporary: string,
  token: string,
): Promise<boolean> {
  const claim = await claimSuccession(place, identity, held.token, temporary)
  if (claim === null) return false
  try {
    if ((await readLock(place.lockPath))?.token !== held.token) return false
    if (!(await renameIfThere(temporary, place.lockPath))) return false
    if ((await readLock(place.lockPath))?.token !== token) {
      throw new StorageError('INVARIANT', `${place.lockPath} was replaced by two.`, {
        lockPath: place.lockPath,
      })
    }
  } finally {
    await removeLeftover(claim)
  }
  succeededIn(place.folderKey)
  await removeDeadClaims(place, identity).catch(() => undefined)
  return true
}

/**
 * Becomes the end of the chain of claims on the lock with this token; returns the claim's path, or null if the
 * chain changed while it was walked. Throws LOCKED if its end belongs to a process that lives.
 */
async function claimSuccession(
  place: Place,
  identity: ProcessIdentity,
  deadToken: string,
  temporary: string,
): Promise<string | null> {
  const seen = new Set<string>()
  let token = deadToken
  while (!seen.has(token)) {
    seen.add(token)
    const claim = `${place.lockPath}.after-${token}`
    if (await linkIfFree(temporary, claim)) return claim
    const claimant = await readLock(claim)
    if (claimant === null) return null
    await refuseUnlessDead(claimant, claim, place, identity)
    token = claimant.token
  }
  return null
}

/** Only for the owner: claims on earlier locks decide nothing once the lock carries another token. */
async function removeDeadClaims(place: Place, identity: ProcessIdentity): Promise<void> {
  const prefix = `${basename(place.lockPath)}.after-`
  for (const name of await fs.promises.readdir(place.directory)) {
    if (!name.startsWith(prefix)) continue
    const path = join(place.directory, name)
    const claimant = await readLock(path).catch(() => null)
    if (claimant === null) continue
    const { record } = claimant
    if (record === null || (await ownerState(record, place.directory, identity)) === 'dead') {
      await removeLeftover(path)
    }
  }
}

async function refuseUnlessDead(
  held: ReadLock,
  path: string,
  place: Place,
  identity: ProcessIdentity,
): Promise<void> {
  const { record } = held
  if (record === null) return
  const state = await ownerState(record, place.directory, identity)
  if (state === 'dead') return
  const elsewhere = record.pidNamespace === identity.pidNamespace ? '' : ' of another container'
  const details = { lockPath: path, pid: record.pid, pidNamespace: record.pidNamespace, state }
  if (state === 'alive') {
    throw new StorageError('LOCKED', `${path} is held by process ${record.pid}${elsewhere}.`, details)
  }
  const message =
    `${path} is held by process ${record.pid}${elsewhere}, and there is no way to ask whether it still runs. ` +
    `Stop it; if no process uses the store any more, delete ${path} and open it again.`
  throw new StorageError('LOCKED', message, details)
}
