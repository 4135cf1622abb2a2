/** Makes the file of a new store: the superblocks and the genesis group. */
import type { Clock, RandomBytes } from '../clock.ts'
import type { FileSystem } from '../disk/file-system.ts'
import {
  FORMAT_VERSION,
  GENESIS_POSITION,
  GROUP_GENESIS,
  GROUP_HEADER_BYTES,
  SUPERBLOCK_CLEAN,
  SUPERBLOCK_POSITIONS,
} from '../format.ts'
import { NO_CHECKPOINT, sealGroup, writeU64 } from '../log/group.ts'
import { encodeSuperblock, NO_FEATURES } from '../log/superblock.ts'

const GENESIS_PAYLOAD_BYTES = 40

/**
 * Makes an empty store under a temporary name, syncs it, gives it its name and syncs the folder. A crash
 * leaves either no file of that name or a whole one.
 */
export async function createFile(
  fileSystem: FileSystem,
  path: string,
  clock: Clock,
  random: RandomBytes,
  firstGroupPosition: number | undefined,
  /** Of the store that the file is made for; a new store has a new one. */
  given?: Buffer,
): Promise<void> {
  const uuid = given ?? Buffer.alloc(16)
  const saltBytes = Buffer.alloc(8)
  if (given === undefined) random(uuid)
  random(saltBytes)
  const salt = saltBytes.readBigUInt64LE()
  const genesis = Buffer.alloc(GROUP_HEADER_BYTES + GENESIS_PAYLOAD_BYTES)
  const first = firstGroupPosition ?? GENESIS_POSITION + genesis.length
  uuid.copy(genesis, GROUP_HEADER_BYTES)
  writeU64(genesis, first, GROUP_HEADER_BYTES + 16)
  writeU64(genesis, clock.now(), GROUP_HEADER_BYTES + 24)
  genesis.writeUInt16LE(FORMAT_VERSION, GROUP_HEADER_BYTES + 32)
  const hash = sealGroup(genesis, {
    type: GROUP_GENESIS,
    recordCount: 0,
    commit: 0,
    position: GENESIS_POSITION,
    salt,
    generation: 0,
    parts: 0,
    durableEnd: 0,
    previousHash: 0n,
    previousPosition: 0,
    timestampMs: clock.now(),
    checkpoint: NO_CHECKPOINT,
  })
  const slots = SUPERBLOCK_POSITIONS.map((position, slot) => {
    const bytes = encodeSuperblock({
      slot,
      uuid,
      salt,
      generation: 0,
      flags: SUPERBLOCK_CLEAN,
      sequence: slot + 1,
      durableEnd: first,
      lastGroupPosition: GENESIS_POSITION,
      lastGroupHash: hash,
      commit: 0,
      checkpoint: NO_CHECKPOINT,
      replayPosition: first,
      replayPreviousHash: hash,
      features: NO_FEATURES,
    })
    return { position, bytes }
  })
  const temporary = `${path}.creating`
  await fileSystem.remove(temporary)
  const file = await fileSystem.open(temporary, 'create')
  try {
    try {
      await file.write(genesis, GENESIS_POSITION)
      if (first > GENESIS_POSITION + genesis.length) await file.truncate(first)
      for (const { position, bytes } of slots) await file.write(bytes, position)
      await file.sync()
    } finally {
      await file.close()
    }
    await fileSystem.rename(temporary, path)
  } catch (error) {
    // What was begun is of no use to anybody; when it cannot be removed either, the next creation does it.
    await fileSystem.remove(temporary).catch(() => undefined)
    throw error
  }
  await fileSystem.syncDirectory(folderOf(path))
}

/** The folder that holds `path`. */
export function folderOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : slash === 0 ? '/' : path.slice(0, slash)
}
