/**
 * EIO and EMFILE were answered with 500 in some places and with 503 in others, by how the error had come. One table says
 * now what a client is told of a failure of the operating system, wherever it is met.
 */
import t from 'tap'
import { StorageError } from '../../native-free-btree/index.ts'
import type { DatabaseError } from '../../src/base/errors.ts'
import { databaseErrorOf } from '../../src/database/errors/layer-errors.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { knownError } from '../../src/http/answer/known-error.ts'
import { systemError } from '../../src/lab/disk/simulated-fault.ts'
import { edit, put, settled } from '../support/database-fixture.ts'
import { errorLike } from '../support/error-like.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { noLock } from '../support/test-trees.ts'

const UNAVAILABLE = [
  'EIO',
  'EMFILE',
  'ENFILE',
  'EROFS',
  'EACCES',
  'EPERM',
  'EBUSY',
  'ENOMEM',
  'ENODEV',
  'ESTALE',
]

t.test('however it comes, the same answer', async (t) => {
  for (const code of [...UNAVAILABLE, 'ENOSPC', 'EDQUOT']) {
    const status = UNAVAILABLE.includes(code) ? 503 : 507
    const raw = systemError(code, 'write', '/secret/place')
    const wrapped = new StorageError('WRITE_FAILED', 'the write failed', {}, raw)
    for (const error of [
      knownError(raw),
      databaseErrorOf(raw),
      databaseErrorOf(wrapped),
    ] as DatabaseError[]) {
      t.equal(error.status, status, code)
      if (status === 503) t.match(error.reason, code)
      t.notMatch(error.reason, /secret/, 'no path is told')
    }
  }
})

t.test('a defect stays one', async (t) => {
  for (const error of [
    new Error('x'),
    systemError('EBADF', 'read', '/x'),
    systemError('ECONNRESET', 'read', ''),
  ]) {
    t.equal(knownError(error).status, 500)
  }
  const circular = new Error('x')
  circular.cause = circular
  t.equal(knownError(circular).status, 500)
})

t.test('a failure that poisoned says that it did', async (t) => {
  const poisoned = new StorageError('POISONED', 'a sync failed', {}, systemError('ENOSPC', 'fdatasync', '/x'))
  t.match(databaseErrorOf(poisoned), errorLike({ status: 503 }))
})

t.test('opening, reading and writing', async (t) => {
  const disk = new SimulatedDisk(5)
  const store = { fileSystem: disk, lock: noLock }
  const made = await createDatabase('/d/a', 'a', { store })
  await put(made, edit('a', { text: 'x'.repeat(1000) }))
  await made.close()
  for (const code of ['EIO', 'EMFILE']) {
    const cancel = disk.inject({ on: 'open', path: '/d/a', code })
    await t.rejects(openDatabase('/d/a', 'a', { store }), errorLike({ status: 503 }), `opening, ${code}`)
    cancel()
  }
  const database = await openDatabase('/d/a', 'a', { store })
  const cancel = disk.inject({ on: 'read', times: Number.POSITIVE_INFINITY })
  t.throws(() => database.get('a').body(), errorLike({ status: 503, reason: /EIO/ }), 'reading')
  cancel()
  t.match(database.get('a').body().toString(), /xxx/)
  for (const [code, status] of [
    ['EIO', 503],
    ['ENOSPC', 507],
  ] as const) {
    disk.inject({ on: 'write', code, times: 1 })
    t.match(await settled(database.update([edit('b')])), { status }, `writing, ${code}`)
  }
  await put(database, edit('b'))
  await database.close()
})
