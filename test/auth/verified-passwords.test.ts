import t from 'tap'
import type { PasswordHash } from '../../src/auth/password-hash.ts'
import { VerifiedPasswords } from '../../src/auth/verified-passwords.ts'
import { systemRandom } from '../../src/base/random.ts'

const HASH: PasswordHash = { prf: 'sha256', salt: 'salt', iterations: 10, derivedKey: 'key' }

t.test('a right password is hashed once, a wrong one and one for another hash every time', async (t) => {
  const asked: string[] = []
  const verified = new VerifiedPasswords(
    {
      async verify(password, { salt }) {
        asked.push(`${password} ${salt}`)
        return password === 'right'
      },
    },
    systemRandom,
  )
  for (let i = 0; i < 2; i++) {
    t.equal(await verified.verify('right', HASH), true)
    t.equal(await verified.verify('wrong', HASH), false)
  }
  t.same(asked, ['right salt', 'wrong salt', 'wrong salt'])
  for (const other of [
    { salt: 'other' },
    { derivedKey: 'other' },
    { iterations: 11 },
    { prf: 'sha' as const },
  ]) {
    const before = asked.length
    await verified.verify('right', { ...HASH, ...other })
    t.equal(asked.length, before + 1, JSON.stringify(other))
  }
})

t.test('no more are remembered than the bound, the newest ones', async (t) => {
  let hashed = 0
  const verified = new VerifiedPasswords({ verify: async () => ++hashed > 0 }, systemRandom)
  for (let i = 0; i < 1500; i++) await verified.verify(`password ${i}`, HASH)
  await verified.verify('password 1499', HASH)
  t.equal(hashed, 1500)
  await verified.verify('password 0', HASH)
  t.equal(hashed, 1501)
})

t.test('what rejects is not remembered', async (t) => {
  let isBusy = true
  const verified = new VerifiedPasswords(
    {
      async verify() {
        if (isBusy) throw new Error('busy')
        return true
      },
    },
    systemRandom,
  )
  await t.rejects(verified.verify('right', HASH), { message: 'busy' })
  isBusy = false
  t.equal(await verified.verify('right', HASH), true)
})
