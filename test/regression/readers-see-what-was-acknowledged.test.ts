/**
 * A read-only opening, and `refresh()`, beside a writer did not see the last commit that was acknowledged until the next
 * one, or a second of rest, told of it in the file. Now a reader in another thread or process, and one after a kill, syncs
 * the file itself; in the writer's own thread it asks the writer.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t from 'tap'
import { nodeFileSystem, openStore } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { openSimulated } from '../support/test-trees.ts'

const KEY = Buffer.from('k')
const ENGINE = new URL('../../native-free-btree/index.js', import.meta.url).href

const WRITER = `
  const { openStore } = await import(${JSON.stringify(ENGINE)})
  const store = await openStore(process.argv[1], { trees: { t: {} } })
  process.stdin.on('data', async (text) => {
    await store.transact((tx) => tx.put('t', Buffer.from('k'), Buffer.from(String(text).trim())))
    process.stdout.write('acknowledged\\n')
  })
  process.stdout.write('open\\n')
`

t.test('a reader beside the writer of another process, and after it was killed', async (t) => {
  const path = `${t.testdir()}/s`
  const writer = spawn(process.execPath, ['--input-type=module', '-e', WRITER, path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => writer.kill('SIGKILL'))
  const lines = createInterface(writer.stdout)[Symbol.asyncIterator]()
  t.equal((await lines.next()).value, 'open')
  const commit = async (value: string) => {
    writer.stdin.write(`${value}\n`)
    t.equal((await lines.next()).value, 'acknowledged')
  }
  await commit('1')
  const reader = await openStore(path, { readOnly: true })
  t.equal(String(reader.get('t', KEY)), '1', 'an opening')
  for (let i = 2; i < 30; i++) {
    await commit(String(i))
    await reader.refresh()
    t.equal(String(reader.get('t', KEY)), String(i), 'a refresh')
  }
  writer.kill('SIGKILL')
  await once(writer, 'exit')
  await reader.refresh()
  t.equal(String(reader.get('t', KEY)), '29')
  await reader.close()
  const later = await openStore(path, { readOnly: true })
  t.equal(String(later.get('t', KEY)), '29', 'nobody has the file open for writing')
  await later.close()
})

t.test('what a reader shows is durable, and nothing of a commit that failed', async (t) => {
  const disk = new SimulatedDisk(7)
  const random = new Random(7)
  const store = await openSimulated(disk, '/d/s', random)
  await store.transact((tx) => tx.put('plain', KEY, Buffer.from('1')))
  // Another file system, as another process has it.
  const elsewhere = { ...nodeFileSystem, open: disk.open.bind(disk), exists: disk.exists.bind(disk) }
  const open = () => openSimulated(disk, '/d/s', random, { readOnly: true, fileSystem: elsewhere })
  const reader = await open()
  t.equal(String(reader.get('plain', KEY)), '1')
  disk.inject({ on: 'write', code: 'ENOSPC', written: 200 })
  await t.rejects(
    store.transact((tx) => tx.put('plain', KEY, Buffer.from('2'))),
    { code: 'WRITE_FAILED' },
  )
  await reader.refresh()
  t.equal(String(reader.get('plain', KEY)), '1')
  await store.transact((tx) => tx.put('plain', KEY, Buffer.from('3')))
  await reader.refresh()
  t.equal(String(reader.get('plain', KEY)), '3')
  const after = await openSimulated(disk.crash(), '/d/s', random)
  t.equal(String(after.get('plain', KEY)), '3')
})

t.test('a reader does not move on to another store that took the path', async (t) => {
  const folder = t.testdir()
  for (const name of ['one', 'other'])
    await (await openStore(`${folder}/${name}`, { trees: { t: {} } })).close()
  const reader = await openStore(`${folder}/one`, { readOnly: true })
  rmSync(`${folder}/one`)
  copyFileSync(`${folder}/other`, `${folder}/one`)
  await t.rejects(reader.refresh(), { code: 'NOT_FOUND' })
  t.equal(reader.commit, 0)
  await reader.close()
})
