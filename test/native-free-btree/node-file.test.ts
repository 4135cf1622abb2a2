import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { nodeFileSystem } from '../../native-free-btree/disk/posix-file.ts'
import { StorageError } from '../../native-free-btree/errors.ts'

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 0xff)
}

t.test('small and large writes land where they are put and read back', async (t) => {
  const path = join(t.testdir(), 'file')
  const file = await nodeFileSystem.open(path, 'create')
  const large = pattern(300_000)
  await file.write(pattern(10), 5)
  await file.write(large, 100)
  await file.sync()
  t.equal(file.size(), 300_100)
  const target = new Uint8Array(300_000)
  t.equal(await file.read(target, 100), 300_000)
  t.same(Buffer.compare(target, large), 0)
  t.equal(file.readSync(target, 100), 300_000)
  t.equal(file.readSync(target, 300_090), 10, 'fewer bytes only at the end')
  t.equal(await file.read(target, 300_100), 0)
  t.equal(await file.read(target, 5_000_000), 0)
  await file.truncate(7)
  t.equal(file.size(), 7)
  await file.close()
  t.same([...readFileSync(path)], [0, 0, 0, 0, 0, 0, 31])
})

t.test('positions beyond 2^32', async (t) => {
  const file = await nodeFileSystem.open(join(t.testdir(), 'file'), 'create')
  const position = 2 ** 32 + 3
  await file.write(pattern(50), position)
  const target = new Uint8Array(60)
  t.equal(file.readSync(target, position - 10), 60)
  t.same([...target.subarray(10)], [...pattern(50)])
  t.equal(file.size(), position + 50)
  await file.close()
})

t.test('modes', async (t) => {
  const path = join(t.testdir(), 'file')
  await t.rejects(nodeFileSystem.open(path, 'write'), { code: 'ENOENT' })
  await t.rejects(nodeFileSystem.open(path, 'read'), { code: 'ENOENT' })
  await (await nodeFileSystem.open(path, 'create')).close()
  await t.rejects(nodeFileSystem.open(path, 'create'), { code: 'EEXIST' })
  const reader = await nodeFileSystem.open(path, 'read')
  await t.rejects(reader.write(pattern(1), 0), { code: 'EBADF' })
  await reader.close()
})

t.test('nothing reaches the descriptor after close, and close waits for what is under way', async (t) => {
  const path = join(t.testdir(), 'file')
  const file = await nodeFileSystem.open(path, 'create')
  const written = file.write(pattern(4_000_000), 0)
  const closed = file.close()
  t.equal(file.close(), closed, 'closing twice is closing once')
  await t.rejects(file.write(pattern(1), 0), { code: 'CLOSED' })
  await t.rejects(file.sync(), StorageError)
  await t.rejects(file.truncate(0), { code: 'CLOSED' })
  await t.rejects(file.read(pattern(1), 0), { code: 'CLOSED' })
  t.throws(() => file.size(), { code: 'CLOSED' })
  t.throws(() => file.readSync(pattern(1), 0), { code: 'CLOSED' })
  await written
  await closed
  t.equal(statSync(path).size, 4_000_000)
  t.same(Buffer.compare(readFileSync(path), pattern(4_000_000)), 0)
})

t.test('names', async (t) => {
  const folder = t.testdir({ a: 'A', b: 'B' })
  await nodeFileSystem.rename(join(folder, 'a'), join(folder, 'b'))
  await nodeFileSystem.syncDirectory(folder)
  t.equal(await nodeFileSystem.exists(join(folder, 'a')), false)
  t.equal(await nodeFileSystem.exists(join(folder, 'b', 'below a file')), false)
  t.equal(readFileSync(join(folder, 'b'), 'utf8'), 'A')
  await nodeFileSystem.remove(join(folder, 'b'))
  await nodeFileSystem.remove(join(folder, 'b'))
  t.equal(await nodeFileSystem.exists(join(folder, 'b')), false)
  await t.rejects(nodeFileSystem.syncDirectory(join(folder, 'none')), { code: 'ENOENT' })
})
