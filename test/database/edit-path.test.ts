/** The way of edits to a writer that refuses them. */
import { performance } from 'node:perf_hooks'
import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { EditPath } from '../../src/database/write/edit-path.ts'
import { edit, settled } from '../support/database-fixture.ts'

/** Longer than the turn that long work is given. */
const LONG_MS = 15

t.test('parts that are refused while others are still handed over', async (t) => {
  let parts = 0
  const path = new EditPath({
    writer: {
      write: async () => {
        parts += 1
        const until = performance.now() + LONG_MS
        while (performance.now() < until);
        throw new DatabaseError('storageUnavailable', `part ${parts}`)
      },
      writePacked: () => Promise.reject(new Error('nothing is packed')),
      append: () => Promise.reject(new Error('nothing is to be appended')),
    },
    database: {
      isFresh: true,
      hasFreshRules: true,
      refresh: async () => {},
      checkStamp: () => ({ design: 0, settings: 0 }),
      replacedBy: () => undefined,
    },
    partitioned: false,
    clock: { now: () => 0 },
    compression: () => 'none',
  })
  const edits = Array.from({ length: 1500 }, (_, n) => edit(`d${n}`))
  t.match(await settled(path.update(edits)), { status: 503, reason: 'part 1' }, 'the first is told')
  t.equal(parts, 3, 'and all were handed over')
})
