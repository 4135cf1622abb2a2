/**
 * Who asks again with a password that was right is recognised at once, or not: where `_users` could not be opened just then (no room
 * for one more database, no descriptors, a disk that fails), nobody waited for that, and the thread that took his request ended.
 */
import t from 'tap'
import { CredentialCheck } from '../../src/auth/credential-check.ts'
import { NO_LOCK_OUT } from '../../src/auth/lock-out.ts'
import type { PasswordHash } from '../../src/auth/password-hash.ts'
import type { Credential } from '../../src/auth/user.ts'
import { DatabaseError } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'

const HASH: PasswordHash = { prf: 'sha256', salt: 'salt', iterations: 1, derivedKey: '' }
const ANN: Credential = { name: 'ann', roles: [], hash: HASH }

t.test("a look that fails is nobody's", async (t) => {
  const unhandled: unknown[] = []
  const onUnhandled = (error: unknown): void => void unhandled.push(error)
  process.on('unhandledRejection', onUnhandled)
  t.teardown(() => process.off('unhandledRejection', onUnhandled))
  let isOpen = true
  const source = {
    find: () => (isOpen ? ANN : Promise.reject(new DatabaseError('allDatabasesActive'))),
  }
  const check = new CredentialCheck({
    source,
    hasher: { verify: async () => true },
    random: systemRandom,
    iterations: 1,
    lockOut: NO_LOCK_OUT,
  })
  check.accept('Basic x', (await check.check('ann', 'apple'))!)
  t.equal(check.recall('Basic x', ''), ANN)
  isOpen = false
  t.equal(check.recall('Basic x', ''), undefined)
  await new Promise((resolve) => setImmediate(resolve))
  t.same(unhandled, [])
  await t.rejects(check.check('ann', 'apple'), 'who asks himself is told')
})
