/**
 * A pointer whose hash holds may name a node, and a patch a base, of no bytes. There was no room to read so little
 * into, so what is damage of the file was an error of the program, which ended a check of the store.
 */
import t from 'tap'
import { PageCache } from '../../native-free-btree/cache/page-cache.ts'
import { PageSource } from '../../native-free-btree/cache/page-source.ts'
import { hash64, positionSeed } from '../../native-free-btree/disk/checksum.ts'
import { PATCH_HEADER_BYTES, PATCH_LEAF } from '../../native-free-btree/format.ts'
import { MemoryFile } from '../support/memory-file.ts'

const SALT = 0x1234_5678_9abc_def0n
const BASE_POSITION = 8192
const PATCH_POSITION = 16_384

const hashAt = (bytes: Uint8Array, position: number): bigint => hash64(bytes, positionSeed(SALT, position))

t.test('a node, or a base, of no bytes is damage', async (t) => {
  const file = new MemoryFile(Buffer.alloc(32_768))
  const source = new PageSource(file, SALT, new PageCache(1).space())
  const emptyHash = hashAt(Buffer.alloc(0), BASE_POSITION)
  for (const hash of [emptyHash, emptyHash ^ 1n]) {
    t.throws(() => source.readPage(BASE_POSITION, 0, hash), { code: 'DAMAGED' })
    const patch = file.bytes.subarray(PATCH_POSITION, PATCH_POSITION + PATCH_HEADER_BYTES)
    patch[0] = PATCH_LEAF
    patch.writeUInt32LE(patch.length, 4)
    patch.writeUIntLE(BASE_POSITION, 8, 6)
    patch.writeUInt32LE(0, 14)
    patch.writeBigUInt64LE(hash, 18)
    const patchHash = hashAt(patch, PATCH_POSITION)
    t.throws(() => source.readPage(PATCH_POSITION, patch.length, patchHash), { code: 'DAMAGED' })
  }
})
