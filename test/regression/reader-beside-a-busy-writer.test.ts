/**
 * A reader walked up to a group that was not whole yet, then looked behind it for whatever vouches for it. A
 * fast writer had gone on meanwhile, and the reader reported committed data as damaged.
 */
import t from 'tap'
import type { FileSystem, StorageFile } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

t.test('what is written between two looks of a reader is not damage', async (t) => {
  const disk = new SimulatedDisk(12)
  const writer = await openSimulated(disk, '/d/s', new Random(12))
  let commits = 0
  const commit = () => {
    commits += 1
    return writer.transact((tx) => tx.put('plain', Buffer.from('key'), Buffer.from(`${commits}`)))
  }
  await commit()
  // The reader never sees the end of the last group, and after every read the writer makes three commits.
  const busy: FileSystem = {
    ...fileSystemOf(disk),
    open: async (path, mode) => {
      const file = await disk.open(path, mode)
      return new Proxy(file, {
        get(target, name) {
          if (name !== 'read') return bound(target, name)
          return async (bytes: Uint8Array, position: number) => {
            const read = await target.read(bytes, position)
            if (commits >= 300) return read
            if (position + read === target.size()) bytes.fill(0, Math.max(0, read - 20), read)
            for (let i = 0; i < 3; i++) await commit()
            return read
          }
        },
      })
    },
  }
  const reader = await openSimulated(disk, '/d/s', new Random(12), { readOnly: true, fileSystem: busy })
  for (let i = 0; i < 10; i++) {
    await reader.refresh()
    t.equal(reader.get('plain', Buffer.from('key'))?.toString(), `${reader.commit}`)
  }
})

function bound(target: StorageFile, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name)
  return typeof value === 'function' ? value.bind(target) : value
}

function fileSystemOf(disk: SimulatedDisk): FileSystem {
  return {
    open: (path, mode) => disk.open(path, mode),
    exists: (path) => disk.exists(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
  }
}
