/**
 * What a process keeps in each folder where it holds locks: one liveness socket, made with the first lock and
 * removed with the last. What dead processes left there, their temporary files, and their sockets once no lock names
 * them any more, is removed when the process takes its first lock there, and when it gives the last one back if it has
 * taken over a dead owner's: for that the folder is listed, and it may hold very many stores.
 */
import * as fs from 'node:fs'
import { join } from 'node:path'
import { systemErrorCode } from '../errors.ts'
import type { ProcessIdentity } from './identity.ts'
import { deadSockets, isSocketName, type LivenessSocket, openLivenessSocket } from './liveness.ts'
import { ownerState } from './owner.ts'
import { decodeLock, type ReadLock } from './record.ts'

const LOCK_OR_CLAIM = /\.lock(\.after-[0-9a-f]{32})?$/
const TEMPORARY = /\.lock\.temp-[0-9a-f]{32}$/

interface Presence {
  locks: number
  /** A dead owner was succeeded, whose socket no lock names any more. */
  leavesSockets: boolean
  readonly socket: Promise<LivenessSocket | null>
}

/** By folder and identity. */
const presences = new Map<string, Presence>()

/** Counts a lock in; returns the name of the socket that its record must carry. */
export async function enterFolder(
  key: string,
  directory: string,
  identity: ProcessIdentity,
): Promise<string | null> {
  let presence = presences.get(key)
  if (presence === undefined) {
    const socket = sweepQuietly(directory, identity).then(() => openLivenessSocket(directory))
    presence = { locks: 0, leavesSockets: false, socket }
    presences.set(key, presence)
  }
  presence.locks++
  try {
    return (await presence.socket)?.name ?? null
  } catch (error) {
    if (presences.get(key) === presence) presences.delete(key)
    throw error
  }
}

/** Counts a lock out, after its file is gone. */
export async function leaveFolder(key: string, directory: string, identity: ProcessIdentity): Promise<void> {
  const presence = presences.get(key)
  if (presence === undefined) return
  presence.locks--
  if (presence.locks > 0) return
  presences.delete(key)
  await (await presence.socket)?.close()
  if (presence.leavesSockets) await sweepQuietly(directory, identity)
}

/** A lock of a dead owner was taken over in the folder. */
export function succeededIn(key: string): void {
  const presence = presences.get(key)
  if (presence !== undefined) presence.leavesSockets = true
}

/** Reads a lock, claim or temporary file; null if there is none. */
export async function readLock(path: string): Promise<ReadLock | null> {
  try {
    return decodeLock(await fs.promises.readFile(path), path)
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null
    throw error
  }
}

/** Unlinks; nothing of a lock depends on these files being gone, so that a failure is no error. */
export async function removeLeftover(path: string): Promise<void> {
  await fs.promises.unlink(path).catch(() => undefined)
}

/** Sweeping is housekeeping: a folder that cannot be listed, or is gone, keeps no lock from being taken or left. */
async function sweepQuietly(directory: string, identity: ProcessIdentity): Promise<void> {
  await sweepFolder(directory, identity).catch(() => undefined)
}

/**
 * Removes dead processes' temporary files and unneeded sockets. A temporary file cut short may be one that a
 * live process is writing: it will find it gone, and write another.
 */
async function sweepFolder(directory: string, identity: ProcessIdentity): Promise<void> {
  const names = await fs.promises.readdir(directory)
  for (const name of names.filter((each) => TEMPORARY.test(each))) {
    const path = join(directory, name)
    if (await isAbandoned(path, directory, identity)) await removeLeftover(path)
  }
  const dead = await deadSockets(directory, names.filter(isSocketName))
  if (dead.length === 0) return
  const named = await namedSockets(directory)
  for (const name of dead) if (!named.has(name)) await removeLeftover(join(directory, name))
}

async function isAbandoned(path: string, directory: string, identity: ProcessIdentity): Promise<boolean> {
  const read = await readLock(path).catch(() => null)
  if (read === null) return false
  return read.record === null || (await ownerState(read.record, directory, identity)) === 'dead'
}

/** The sockets that locks and claims name. Read after their owners were found dead: no new one can appear. */
async function namedSockets(directory: string): Promise<Set<string>> {
  const named = new Set<string>()
  for (const name of await fs.promises.readdir(directory)) {
    if (!LOCK_OR_CLAIM.test(name)) continue
    const socket = (await readLock(join(directory, name)).catch(() => null))?.record?.socket
    if (typeof socket === 'string') named.add(socket)
  }
  return named
}
