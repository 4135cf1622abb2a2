/**
 * A delete that left a leaf underfull loaded the neighbour to join with only after the commit was durable.
 * With a damaged neighbour the store was poisoned, and every later open replayed the delete and failed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openStore, type StorageError } from '../../native-free-btree/index.ts'

const KEYS = 200
const keyOf = (n: number) => Buffer.from(`${String(n).padStart(6, '0')}${'k'.repeat(54)}`)

t.test('a delete beside a damaged leaf is kept, and the store opens again', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'a.nfb')
  const options = { trees: { a: {} } }
  const store = await openStore(path, options)
  for (let j = 0; j < KEYS; j++) {
    await store.transact((tx) => tx.put('a', keyOf((j * 67) % KEYS), Buffer.from('v')))
  }
  await store.checkpoint()
  await store.close()
  const bytes = readFileSync(path)
  // The last place where key 60 stands is its leaf in the checkpoint.
  bytes[bytes.lastIndexOf(keyOf(60)) + 20]! ^= 1
  writeFileSync(path, bytes)

  const damaged = await openStore(path, options)
  const deleted: number[] = []
  for (let j = 0; j < KEYS; j++) {
    try {
      await damaged.transact((tx) => tx.delete('a', keyOf(j)))
      deleted.push(j)
    } catch (error) {
      t.equal((error as StorageError).code, 'DAMAGED', 'only what needs the damaged leaf is refused')
    }
  }
  t.ok(deleted.length > 100 && deleted.length < KEYS)
  t.equal(damaged.stats().poisoned, undefined)
  await damaged.close()
  const again = await openStore(path, options)
  for (const j of deleted) {
    // The range of a leaf that went is its neighbour's now, and that may be the damaged one.
    try {
      t.equal(again.get('a', keyOf(j)), undefined)
    } catch (error) {
      t.equal((error as StorageError).code, 'DAMAGED')
    }
  }
  t.throws(() => again.get('a', keyOf(60)), { code: 'DAMAGED' })
  await again.close()
})
