import t from 'tap'
import { type LockOutKey, LockOutSlots, LockOuts, lockOutKey } from '../../src/auth/lock-out.ts'
import { errorLike } from '../support/error-like.ts'

const LOCKED = errorLike({
  status: 403,
  error: 'forbidden',
  reason: 'Account is temporarily locked due to multiple authentication failures',
})
const KEY: LockOutKey = { address: '192.0.2.1', name: 'ann', salt: 's' }

function setUp(
  changes: Partial<{ mode: 'enforce' | 'warn' | 'off'; threshold: number; maxObjects: number }> = {},
) {
  const settings = {
    mode: 'enforce' as const,
    threshold: 3,
    maxObjects: 100,
    maxLifetimeMs: 1000,
    ...changes,
  }
  const state = { nowMs: 0 }
  const warned: LockOutKey[] = []
  const locks = new LockOuts(
    settings,
    () => state.nowMs,
    (key) => warned.push(key),
  )
  const fail = async (key = KEY, times = 1): Promise<void> => {
    for (let n = 0; n < times; n++) await locks.failed(key)
  }
  return { locks, warned, state, settings, fail }
}

t.test('so many failures lock, until their time is over', async (t) => {
  const { locks, state, fail, warned } = setUp()
  t.ok(locks.isClear(KEY))
  await fail(KEY, 2)
  t.notOk(locks.isClear(KEY), 'asked for')
  await locks.require(KEY)
  t.same(warned, [])
  await fail()
  await t.rejects(locks.require(KEY), LOCKED)
  t.same(warned, [KEY])
  state.nowMs = 999
  await fail()
  await t.rejects(locks.require(KEY), LOCKED, 'the time is that of the first')
  state.nowMs = 1000
  await locks.require(KEY)
  t.ok(locks.isClear(KEY), 'forgotten')
})

t.test('another address, name or password is another lock', async (t) => {
  const { locks, fail } = setUp()
  await fail({ ...KEY, address: '2001:db8:1:2::7' }, 3)
  await t.rejects(locks.require({ ...KEY, address: '2001:db8:1:2:3::8' }), LOCKED, 'one network')
  for (const other of [KEY, { ...KEY, address: '2001:db8:1:3::7' }]) await locks.require(other)
  await fail(KEY, 3)
  await t.rejects(locks.require({ ...KEY, address: '::ffff:192.0.2.1' }), LOCKED)
  for (const other of [{ name: 'bob' }, { salt: 't' }, { address: '192.0.2.2' }]) {
    await locks.require({ ...KEY, ...other })
  }
})

t.test('warn and off lock nobody; a mode holds as soon as it is set', async (t) => {
  const warn = setUp({ mode: 'warn' })
  await warn.fail(KEY, 4)
  await warn.locks.require(KEY)
  t.equal(warn.warned.length, 2)
  warn.settings.mode = 'enforce' as never
  await t.rejects(warn.locks.require(KEY), LOCKED)
  const off = setUp({ mode: 'off' })
  await off.fail(KEY, 9)
  await off.locks.require(KEY)
  t.ok(off.locks.isClear(KEY))
})

t.test('beyond so many the oldest are forgotten, and the slots know it', async (t) => {
  const { locks, fail } = setUp({ maxObjects: 2 })
  const keys = ['a', 'b', 'c'].map((name) => ({ ...KEY, name }))
  for (const key of keys) await fail(key, 3)
  t.ok(locks.isClear(keys[0]!))
  await locks.require(keys[0]!)
  for (const key of keys.slice(1)) await t.rejects(locks.require(key), LOCKED)
})

t.test('other threads see in shared memory who need not be asked for', async (t) => {
  const { locks, fail } = setUp()
  const elsewhere = new LockOutSlots(locks.slots.buffer)
  t.ok(elsewhere.isClear(KEY))
  await fail()
  t.notOk(elsewhere.isClear(KEY))
})

t.test('a key is of the address, the name and what the password was hashed with', async (t) => {
  const hash = { prf: 'sha256', salt: 'pepper', iterations: 1, derivedKey: '' } as const
  t.same(lockOutKey('::1', { name: 'ann', roles: [], hash }), { address: '::1', name: 'ann', salt: 'pepper' })
})
