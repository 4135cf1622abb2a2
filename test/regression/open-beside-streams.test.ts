/**
 * Groups of streamed values counted neither towards a checkpoint nor towards what close() leaves to the next
 * open, so that opening read every attachment that had been written since the last checkpoint.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  type FileSystem,
  nodeFileSystem,
  openStore,
  type StorageFile,
} from '../../native-free-btree/index.ts'

/** Counts the bytes read from every file it opens. */
function countingFileSystem(): { fileSystem: FileSystem; bytesRead: () => number } {
  let bytes = 0
  const counted = (file: StorageFile): StorageFile => ({
    path: file.path,
    size: () => file.size(),
    isAt: (path) => file.isAt(path),
    readSync: (target, position) => {
      const read = file.readSync(target, position)
      bytes += read
      return read
    },
    read: async (target, position) => {
      const read = await file.read(target, position)
      bytes += read
      return read
    },
    write: (source, position) => file.write(source, position),
    sync: () => file.sync(),
    truncate: (length) => file.truncate(length),
    close: () => file.close(),
  })
  const fileSystem: FileSystem = {
    open: async (path, mode) => counted(await nodeFileSystem.open(path, mode)),
    exists: (path) => nodeFileSystem.exists(path),
    rename: (from, to) => nodeFileSystem.rename(from, to),
    remove: (path) => nodeFileSystem.remove(path),
    syncDirectory: (path) => nodeFileSystem.syncDirectory(path),
  }
  return { fileSystem, bytesRead: () => bytes }
}

async function* zeros(bytes: number): AsyncGenerator<Buffer> {
  for (let left = bytes; left > 0; left -= 65_536) yield Buffer.alloc(65_536)
}

t.test('opening reads little of a file full of streamed values, closed or killed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'a.nfb')
  const { fileSystem, bytesRead } = countingFileSystem()
  const options = { trees: { a: {} }, fileSystem, checkpointLogBytes: 256 * 1024, dirtyBytes: 256 * 1024 }
  const store = await openStore(path, options)
  for (let n = 0; n < 4; n++) {
    const reference = await store.appendStream(zeros(12 * 1024 * 1024))
    await store.transact((tx) => tx.put('a', Buffer.from([n]), reference))
  }
  const fileBytes = statSync(path).size
  t.ok(fileBytes > 48 * 1024 * 1024)

  const before = bytesRead()
  const reader = await openStore(path, { ...options, readOnly: true })
  t.ok(bytesRead() - before < 20 * 1024 * 1024, 'beside the writer, which has not closed')
  await reader.close()
  await store.close()

  const closed = bytesRead()
  const again = await openStore(path, options)
  t.ok(bytesRead() - closed < 1024 * 1024, 'after a close')
  t.equal(again.recovery.outcome, 'clean')
  for (let n = 0; n < 4; n++) {
    t.equal(again.lengthOf(again.get('a', Buffer.from([n]))!), 12 * 1024 * 1024)
  }
  await again.close()
})
