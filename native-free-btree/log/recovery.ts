/**
 * What a file holds, found out without changing it (`locate`), and the repairs that a writer makes before it
 * goes on (`repair`). The rules, argued in FORMAT.md:
 * - The first group that is not whole, at P, ends the file, unless anything vouches for bytes beyond P: a
 *   superblock, or a self-valid group further on, whose durableEnd is above P. Then committed data is
 *   damaged, and that is an error with its evidence, never a silent cut.
 * - A reader beside a writer trusts what some durableEnd covers, and beyond that what it has made durable itself.
 */

import type { StorageFile } from '../disk/file-system.ts'
import { StorageError } from '../errors.ts'
import {
  FORMAT_VERSION,
  GENESIS_POSITION,
  GROUP_ALIGNMENT,
  GROUP_GENESIS,
  GROUP_HEADER_BYTES,
  GROUP_MAGIC,
  KNOWN_FEATURES,
  SUPERBLOCK_BYTES,
  SUPERBLOCK_CLEAN,
  SUPERBLOCK_POSITIONS,
} from '../format.ts'
import { NO_CHECKPOINT, payloadMatches, readGroupHeader, readU64 } from './group.ts'
import { type Features, mayBeTorn, NO_FEATURES, readSuperblock, type Superblock } from './superblock.ts'
import { GroupReader, type WalkState, walkGroups } from './walk.ts'

const TORN_WINDOW_BYTES = 64 * 1024

/** What identifies a file and where its groups begin. */
export interface Identity {
  uuid: Buffer
  salt: bigint
}

export interface Located extends Identity {
  /** Behind the last group that counts. */
  end: WalkState
  /** Where replay would start without a checkpoint, and the state there. */
  start: WalkState
  /** Highest offset that anything vouches for. */
  durableEnd: number
  /** Highest generation seen in slots and groups. */
  generation: number
  /** Number of the last superblock write. */
  sequence: number
  /** Slot that the next superblock goes to: never the newest valid one. */
  nextSlot: number
  fileBytes: number
  /** What a crash left behind the last group; 0 where the file has nothing but zeros there, which were to be written over. */
  tornBytes: number
  badSuperblocks: number
  clean: boolean
  groups: number
  /** As the newest superblock has them. */
  features: Features
}

/** What the slots hold. */
export interface Slots {
  blocks: Superblock[]
  /** Slots that hold no superblock. */
  bad: number
  /** Of those, what no torn write leaves there; both of them, since no crash tears both. */
  damaged: number
}

/** Reads the slots. Throws UNSUPPORTED_VERSION when one is whole and of a format unknown here. */
export async function readSlots(file: StorageFile): Promise<Slots> {
  const blocks: Superblock[] = []
  const rest: { slot: number; bytes: Buffer }[] = []
  for (const [slot, position] of SUPERBLOCK_POSITIONS.entries()) {
    const bytes = Buffer.alloc(SUPERBLOCK_BYTES)
    const read = await file.read(bytes, position)
    const found = readSuperblock(bytes.subarray(0, read), slot)
    if (found.state === 'unknown') refuseVersion(found.version, found.draft)
    if (found.state === 'valid') {
      refuseFeatures(found.block.features.read & ~KNOWN_FEATURES.read, 'read')
      blocks.push(found.block)
    } else rest.push({ slot, bytes: bytes.subarray(0, read) })
  }
  const [other] = blocks
  const damaged = rest.filter(({ slot, bytes }) => other === undefined || !mayBeTorn(bytes, slot, other))
  return { blocks, bad: rest.length, damaged: damaged.length }
}

function refuseVersion(version: number, draft: number): void {
  if (version === FORMAT_VERSION && draft === 0) return
  const message =
    version === FORMAT_VERSION
      ? `the file is of draft ${draft} of format version ${version}, from before that was final: serve it with the program ` +
        'that wrote it, and bring what is in it to a server of this one: davenport migrate --all SOURCE TARGET'
      : `the file has format version ${version}, and this program reads version ${FORMAT_VERSION}`
  throw new StorageError('UNSUPPORTED_VERSION', message, { version, draft })
}

/** Throws UNSUPPORTED_VERSION unless there are none. */
function refuseFeatures(unknown: number, use: 'read' | 'write'): void {
  if (unknown === 0) return
  const bits = (unknown >>> 0).toString(2)
  throw new StorageError(
    'UNSUPPORTED_VERSION',
    `a later version made the file: this one cannot ${use} it (features ${bits})`,
    { version: FORMAT_VERSION, features: unknown >>> 0 },
  )
}

export interface Genesis extends Identity {
  /** Length of the group. */
  bytes: number
  start: WalkState
}

/**
 * The genesis group; undefined unless it is whole. Payload: uuid, first group's position u64, ms u64, version
 * u16, zero u16 (a draft's number). Throws UNSUPPORTED_VERSION.
 */
export async function readGenesis(file: StorageFile): Promise<Genesis | undefined> {
  const bytes = Buffer.alloc(4096)
  const read = await file.read(bytes, GENESIS_POSITION)
  const header = readGroupHeader(bytes.subarray(0, read), 0, GENESIS_POSITION, undefined)
  if (header === undefined || header.type !== GROUP_GENESIS || header.length > read) return undefined
  const payload = bytes.subarray(GROUP_HEADER_BYTES, header.length)
  if (!payloadMatches(header, payload) || payload.length < 40) return undefined
  refuseVersion(payload.readUInt16LE(32), payload.readUInt16LE(34))
  return {
    uuid: Buffer.from(payload.subarray(0, 16)),
    salt: header.salt,
    bytes: header.length,
    start: {
      position: readU64(payload, 16),
      lastHash: header.hash,
      lastPosition: GENESIS_POSITION,
      commit: 0,
      generation: header.generation,
      checkpoint: NO_CHECKPOINT,
    },
  }
}

/** As `readGenesis`, where there has to be one. Throws DAMAGED. */
export async function requireGenesis(file: StorageFile): Promise<Genesis> {
  const genesis = await readGenesis(file)
  if (genesis === undefined) throw new StorageError('DAMAGED', 'the first group is damaged', {})
  return genesis
}

/** Throws NOT_A_STORE, UNSUPPORTED_VERSION. */
export async function identify(file: StorageFile): Promise<Identity> {
  const { blocks } = await readSlots(file)
  const identity = blocks[0] ?? (await readGenesis(file))
  if (identity === undefined) {
    throw new StorageError('NOT_A_STORE', `${file.path} holds neither a superblock nor a first group`, {
      path: file.path,
    })
  }
  return { uuid: identity.uuid, salt: identity.salt }
}

/**
 * Finds the end of the file's committed data. With `trusting` false (a reader beside a writer) nothing is changed:
 * the end is `knownEnd` where that is given, which is durable by the writer's own word, else that of the last group
 * that the file vouches for or that a sync of the reader's own made durable. Throws NOT_A_STORE, UNSUPPORTED_VERSION,
 * DAMAGED.
 */
export async function locate(file: StorageFile, trusting: boolean, knownEnd?: number): Promise<Located> {
  const { blocks, bad } = await readSlots(file)
  if (trusting)
    for (const { features } of blocks) refuseFeatures(features.write & ~KNOWN_FEATURES.write, 'write')
  const newest = blocks.reduce<Superblock | undefined>(
    (best, block) => (best === undefined || block.sequence > best.sequence ? block : best),
    undefined,
  )
  const genesis = newest === undefined ? await readGenesis(file) : undefined
  if (newest === undefined && genesis === undefined) {
    throw new StorageError('NOT_A_STORE', `${file.path} holds neither a superblock nor a first group`, {
      path: file.path,
      fileBytes: file.size(),
    })
  }
  const identity = (newest ?? genesis)!
  const claimed = blocks.reduce((most, block) => Math.max(most, block.durableEnd), knownEnd ?? 0)
  const start = newest === undefined ? genesis!.start : startOf(newest)
  let vouchedFor = start
  const waiting: WalkState[] = []
  const walkFrom = (from: WalkState, durableEnd: number) =>
    walkGroups(file, identity.salt, from, {
      durableEnd,
      onBoundary: (state, vouched) => {
        waiting.push(state)
        while (waiting.length > 0 && waiting[0]!.position <= vouched) vouchedFor = waiting.shift()!
      },
      ...(newest === undefined
        ? {}
        : { floor: { position: newest.durableEnd, generation: newest.generation } }),
    })
  let walk = await walkFrom(start, claimed)
  let fileBytes = file.size()
  refuseShortFile(file, Math.max(claimed, walk.end.position), fileBytes)
  if (trusting && newest === undefined) refuseTail(walk.end, fileBytes)
  for (;;) {
    const damage = await evidenceOfDamage(file, identity.salt, walk.end, walk.durableEnd, fileBytes)
    if (damage === undefined) break
    if (trusting) throw damage
    // Beside a writer: the group was not whole when it was looked at, and by now later ones vouch for it.
    const further = await walkFrom(walk.end, walk.durableEnd)
    if (further.end.position === walk.end.position) throw damage
    walk = { ...further, groups: walk.groups + further.groups }
    fileBytes = file.size()
  }
  const isVouched = vouchedFor.position >= walk.end.position
  const isSynced =
    !trusting && !isVouched && knownEnd === undefined && (await syncedTo(file, identity.salt, walk.end))
  let end = trusting || isSynced ? walk.end : vouchedFor
  if (end === start && newest !== undefined) {
    end = { ...start, commit: newest.commit, lastPosition: newest.lastGroupPosition }
  }
  return {
    uuid: identity.uuid,
    salt: identity.salt,
    end,
    start,
    durableEnd: walk.durableEnd,
    generation: Math.max(end.generation, ...blocks.map((block) => block.generation)),
    sequence: newest?.sequence ?? 0,
    nextSlot: newest === undefined ? 0 : 1 - newest.slot,
    fileBytes,
    tornBytes: await tornBytes(file, end.position, fileBytes),
    badSuperblocks: bad,
    clean:
      newest !== undefined && (newest.flags & SUPERBLOCK_CLEAN) !== 0 && end.position === newest.durableEnd,
    groups: walk.groups,
    features: newest?.features ?? NO_FEATURES,
  }
}

/**
 * Nothing in the file says of its last group that the writer's sync returned, whether it was acknowledged or is being
 * written just now: so the reader syncs the file itself. What was whole before and is there after it, is durable. False
 * where the group went away meanwhile (its write failed), or where the file cannot be synced.
 */
async function syncedTo(file: StorageFile, salt: bigint, end: WalkState): Promise<boolean> {
  try {
    await file.sync()
  } catch {
    return false
  }
  const group = await new GroupReader(file, salt).at(end.lastPosition)
  return group?.header.hash === end.lastHash
}

function startOf(block: Superblock): WalkState {
  return {
    position: block.replayPosition,
    lastHash: block.replayPreviousHash,
    lastPosition: 0,
    commit: 0,
    generation: 0,
    checkpoint: block.checkpoint,
  }
}

/** Throws DAMAGED when the file ends before what was durable: nothing else may look there at opening. */
function refuseShortFile(file: StorageFile, durableEnd: number, fileBytes: number): void {
  if (fileBytes >= durableEnd) return
  throw new StorageError(
    'DAMAGED',
    `${file.path} has ${fileBytes} bytes, but it was durable up to ${durableEnd}`,
    { position: fileBytes, durableEnd, fileBytes },
  )
}

/**
 * No crash damages both slots, so this file was damaged otherwise, and what would vouch for its last groups is
 * gone: a tail that is not whole cannot be told from committed data. Throws DAMAGED.
 */
function refuseTail(end: WalkState, fileBytes: number): void {
  if (fileBytes <= end.position) return
  throw new StorageError(
    'DAMAGED',
    `both superblocks are damaged, and so may be the group at ${end.position}`,
    { position: end.position, fileBytes },
  )
}

/** The error to throw when something vouches for bytes behind the end of the chain. */
async function evidenceOfDamage(
  file: StorageFile,
  salt: bigint,
  end: WalkState,
  durableEnd: number,
  fileBytes: number,
): Promise<StorageError | undefined> {
  const damaged = (evidence: string, at: number) =>
    new StorageError(
      'DAMAGED',
      `the group at ${end.position} is not whole, but ${evidence} says that the file was durable up to ${at}`,
      { position: end.position, durableEnd: at, fileBytes },
    )
  if (durableEnd > end.position) return damaged('a superblock or a later group', durableEnd)
  if (fileBytes <= end.position) return undefined
  const magic = Buffer.alloc(4)
  magic.writeUInt32LE(GROUP_MAGIC)
  const window = Buffer.allocUnsafeSlow(Math.min(1024 * 1024, fileBytes - end.position) + GROUP_HEADER_BYTES)
  for (let base = end.position; base < fileBytes; base += window.length - GROUP_HEADER_BYTES) {
    const read = await file.read(window, base)
    const bytes = window.subarray(0, read)
    for (let at = bytes.indexOf(magic); at >= 0; at = bytes.indexOf(magic, at + 1)) {
      const position = base + at
      if (position % GROUP_ALIGNMENT !== 0 || position === end.position) continue
      const header = readGroupHeader(bytes, at, position, salt)
      if (header === undefined || header.generation < end.generation) continue
      if (header.durableEnd > end.position) return damaged(`the group at ${position}`, header.durableEnd)
    }
    if (read < window.length) return undefined
  }
  return undefined
}

/** How many bytes lie between `from` and `to`; 0 if all of them are zeros. */
export async function tornBytes(file: StorageFile, from: number, to: number): Promise<number> {
  const window = Buffer.allocUnsafeSlow(Math.min(TORN_WINDOW_BYTES, Math.max(0, to - from)))
  for (let at = from; at < to; at += window.length) {
    const read = await file.read(window.subarray(0, to - at), at)
    if (window.subarray(0, read).some((byte) => byte !== 0)) return to - from
  }
  return 0
}

/**
 * The next superblock goes to the other slot, which may be the only one that the disk has: when the sync of
 * this one failed, the page cache alone shows it.
 */
async function rewriteNewestSlot(file: StorageFile, located: Located): Promise<void> {
  const position = SUPERBLOCK_POSITIONS[1 - located.nextSlot]!
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES)
  if ((await file.read(bytes, position)) < bytes.length) return
  if (readSuperblock(bytes, 1 - located.nextSlot).state !== 'valid') return
  await file.write(bytes, position)
  await file.sync()
}

/**
 * Makes the file end where its groups end, durably: cuts what lies behind, and writes the groups that nobody
 * has vouched for again, in place and byte for byte, since after a failed sync the page cache may show bytes
 * that the disk does not have. Both may be interrupted at any point and done again.
 */
export async function repair(file: StorageFile, located: Located): Promise<void> {
  try {
    await repairInPlace(file, located)
  } catch (error) {
    if (error instanceof StorageError && error.code !== 'IO_FAILED') throw error
    throw new StorageError('WRITE_FAILED', `${file.path} could not be repaired`, { path: file.path }, error)
  }
}

async function repairInPlace(file: StorageFile, located: Located): Promise<void> {
  const end = located.end.position
  if (located.fileBytes > end) {
    await file.truncate(end)
    await file.sync()
  }
  if (!located.clean) await rewriteNewestSlot(file, located)
  if (located.durableEnd >= end) return
  const step = Buffer.allocUnsafeSlow(Math.min(1024 * 1024, end - located.durableEnd))
  for (let at = located.durableEnd; at < end; at += step.length) {
    const bytes = step.subarray(0, Math.min(step.length, end - at))
    const read = await file.read(bytes, at)
    if (read !== bytes.length) {
      throw new StorageError('DAMAGED', `bytes at ${at} went away during recovery`, { position: at })
    }
    await file.write(bytes, at)
  }
  await file.sync()
}
