import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { makeDirectory, removeDurably, writeDurably } from '../../src/base/durable-file.ts'

t.test('replaces a file as a whole, with its mode, over what a crash left', async (t) => {
  const path = join(t.testdir(), 'f')
  await writeFile(`${path}.new`, 'half', { mode: 0o644 })
  await writeDurably(path, 'one')
  t.equal(await readFile(path, 'utf8'), 'one')
  t.equal((await stat(path)).mode & 0o777, 0o600)
  await writeDurably(path, 'two')
  t.equal(await readFile(path, 'utf8'), 'two')
  t.same(await readdir(join(path, '..')), ['f'])
  await removeDurably(path)
  await removeDurably(path)
  t.same(await readdir(join(path, '..')), [])
})

t.test('makes folders and their parents', async (t) => {
  const path = join(t.testdir(), 'a/b/c')
  await makeDirectory(path)
  await makeDirectory(path)
  t.equal((await stat(path)).mode & 0o777, 0o700)
  await writeFile(join(path, 'file'), '')
  await t.rejects(makeDirectory(join(path, 'file/x')), { code: 'ENOTDIR' })
})
