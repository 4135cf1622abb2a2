import t from 'tap'
import { CredentialCheck } from '../../src/auth/credential-check.ts'
import { NO_LOCK_OUT } from '../../src/auth/lock-out.ts'
import type { PasswordHash, PasswordHasher } from '../../src/auth/password-hash.ts'
import type { Credential } from '../../src/auth/user.ts'
import { systemRandom } from '../../src/base/random.ts'

/** A hasher whose "hash" is the password itself, and which counts. */
function setUp() {
  const users = new Map<string, Credential>()
  const state = { computed: 0, remembered: 0, gate: Promise.resolve() }
  const hasher: PasswordHasher = {
    hash: () => Promise.reject(new Error('not used')),
    rehash: () => Promise.reject(new Error('not used')),
    async verify(password, hash) {
      state.computed++
      await state.gate
      return password === hash.salt
    },
  }
  const setPassword = (name: string, password: string): void => {
    const hash: PasswordHash = { prf: 'sha256', salt: password, iterations: 1, derivedKey: '' }
    users.set(name, { name, roles: [], hash })
  }
  const check = new CredentialCheck({
    source: { find: (name) => users.get(name) },
    hasher,
    random: systemRandom,
    iterations: 1,
    lockOut: NO_LOCK_OUT,
    onRemembered: () => {
      state.remembered++
    },
  })
  setPassword('anna', 'apple')
  return { users, state, setPassword, check }
}

t.test('right credentials are hashed once, wrong ones every time', async (t) => {
  const { check, state } = setUp()
  for (let i = 0; i < 5; i++) t.equal((await check.check('anna', 'apple'))?.name, 'anna')
  t.equal(state.computed, 1)
  t.equal(state.remembered, 5)
  for (let i = 0; i < 3; i++) t.equal(await check.check('anna', 'pear'), undefined)
  t.equal(state.computed, 4)
  t.equal(state.remembered, 5, 'refusals are not remembered')
  t.equal(await check.check('ann', 'aapple'), undefined, 'name and password are kept apart')
})

t.test('a changed password counts at once, the old one never again', async (t) => {
  const { check, users, setPassword } = setUp()
  await check.check('anna', 'apple')
  setPassword('anna', 'plum')
  t.equal(await check.check('anna', 'apple'), undefined)
  t.ok(await check.check('anna', 'plum'))
  users.delete('anna')
  t.equal(await check.check('anna', 'plum'), undefined)
})

t.test('a password that is changed while it is checked', async (t) => {
  const { check, state, setPassword } = setUp()
  let open = (): void => undefined
  state.gate = new Promise((resolve) => {
    open = resolve
  })
  const old = check.check('anna', 'apple')
  await new Promise(setImmediate)
  setPassword('anna', 'plum')
  const late = check.check('anna', 'apple')
  await new Promise(setImmediate)
  open()
  await old
  t.equal(await late, undefined, 'the running computation is not shared across the change')
  t.equal(await check.check('anna', 'apple'), undefined, 'and is not cached for the new one')
})

t.test('the same credentials at the same time share one computation', async (t) => {
  const { check, state } = setUp()
  const results = await Promise.all(Array.from({ length: 20 }, () => check.check('anna', 'apple')))
  t.ok(results.every((credential) => credential?.name === 'anna'))
  t.equal(state.computed, 1)
  await Promise.all(Array.from({ length: 20 }, () => check.check('anna', 'pear')))
  t.equal(state.computed, 2)
})

t.test('an unknown name costs a hash', async (t) => {
  const { check, state } = setUp()
  t.equal(await check.check('nobody', 'x'), undefined)
  t.equal(state.computed, 1)
})

t.test('a failing computation is not remembered', async (t) => {
  const { check, state } = setUp()
  state.gate = Promise.reject(new Error('out of memory'))
  await t.rejects(check.check('anna', 'apple'), { message: 'out of memory' })
  state.gate = Promise.resolve()
  t.ok(await check.check('anna', 'apple'))
})

t.test('the cache is bounded', async (t) => {
  const { check, state, setPassword } = setUp()
  for (let i = 0; i <= 1000; i++) {
    setPassword(`u${i}`, 'p')
    await check.check(`u${i}`, 'p')
  }
  const before = state.computed
  await check.check('u1000', 'p')
  t.equal(state.computed, before, 'the latest is remembered')
  await check.check('u0', 'p')
  t.equal(state.computed, before + 1, 'the oldest is not')
})

t.test('a header is recalled as long as it is right', async (t) => {
  const { check, users, setPassword } = setUp()
  t.equal(check.recall('Basic 1', ''), undefined, 'nothing is known before it was accepted')
  const credential = (await check.check('anna', 'apple'))!
  check.accept('Basic 1', credential)
  t.equal(check.recall('Basic 1', ''), credential)
  t.equal(check.recall('Basic 2', ''), undefined, 'another header is not known')
  t.equal(check.recall('5:annaapple', ''), undefined, 'nor is what stands for name and password')
  setPassword('anna', 'plum')
  t.equal(check.recall('Basic 1', ''), undefined, 'a changed password counts at once')
  setPassword('anna', 'apple')
  t.equal(check.recall('Basic 1', ''), undefined, 'also when it is the same again')
  check.accept('Basic 1', (await check.check('anna', 'apple'))!)
  users.delete('anna')
  t.equal(check.recall('Basic 1', ''), undefined, 'a user who is gone is nobody')
})

t.test('a source that takes its time is not waited for', async (t) => {
  const credential: Credential = {
    name: 'anna',
    roles: [],
    hash: { prf: 'sha256', salt: 'apple', iterations: 1, derivedKey: '' },
  }
  const check = new CredentialCheck({
    source: { find: async () => credential },
    hasher: { verify: async () => true },
    random: systemRandom,
    iterations: 1,
    lockOut: NO_LOCK_OUT,
  })
  check.accept('Basic 1', (await check.check('anna', 'apple'))!)
  t.equal(check.recall('Basic 1', ''), undefined)
})

t.test('headers are bounded, the ones in use stay', async (t) => {
  const { check } = setUp()
  const credential = (await check.check('anna', 'apple'))!
  for (let i = 0; i < 1000; i++) check.accept(`Basic ${i}`, credential)
  t.ok(check.recall('Basic 0', ''))
  for (let i = 1000; i < 1999; i++) check.accept(`Basic ${i}`, credential)
  t.ok(check.recall('Basic 0', ''), 'used after the others')
  t.equal(check.recall('Basic 1', ''), undefined)
  check.accept('Basic new', credential)
  check.accept('Basic newer', credential)
  t.equal(check.recall('Basic 1000', ''), undefined)
  t.ok(check.recall('Basic 1998', ''))
})
