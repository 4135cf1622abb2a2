/**
 * A commit of many scattered updates dirtied more than a group was allowed to write of the running checkpoint, so that
 * dirty nodes outgrew their limit, commit after commit, the more the larger the store was.
 */
import { join } from 'node:path'
import t from 'tap'
import { openStore, PageCache } from '../../native-free-btree/index.ts'
import { Random } from '../support/random.ts'
import { seed } from '../support/test-run.ts'

const ENTRIES = 60_000
const COMMITS = 200
const UPDATES = 300
const VALUE = Buffer.alloc(40, 'v')
const CACHE_BYTES = 8 * 1024 * 1024
const LIMIT_BYTES = CACHE_BYTES / 2

const keyOf = (n: number): Buffer => Buffer.from(String(n).padStart(12, '0'))

t.test('dirty nodes stay within their limit and what one commit makes dirty', async (t) => {
  const random = new Random(seed)
  const store = await openStore(join(t.testdir(), 'store'), {
    trees: { entries: {} },
    cache: new PageCache(CACHE_BYTES),
    dirtyBytes: LIMIT_BYTES,
  })
  await store.transact((tx) => {
    for (let n = 0; n < ENTRIES; n++) tx.put('entries', keyOf(n), VALUE)
  })
  await store.checkpoint()
  let most = 0
  let ofOneCommit = 0
  for (let commit = 0; commit < COMMITS; commit++) {
    const before = store.stats().dirtyBytes
    await store.transact((tx) => {
      for (let i = 0; i < UPDATES; i++) tx.put('entries', keyOf(random.int(ENTRIES)), VALUE)
    })
    const { dirtyBytes } = store.stats()
    ofOneCommit = Math.max(ofOneCommit, dirtyBytes - before)
    most = Math.max(most, dirtyBytes)
  }
  t.ok(
    most <= LIMIT_BYTES + 1.4 * ofOneCommit,
    `${most} bytes, with a limit of ${LIMIT_BYTES} and ${ofOneCommit} of one commit`,
  )
  t.same((await store.check()).problems, [])
  await store.close()
})
