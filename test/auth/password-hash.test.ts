import { pbkdf2Sync } from 'node:crypto'
import t from 'tap'
import { createPasswordHasher, isPasswordHash, parseCouchHash } from '../../src/auth/password-hash.ts'
import { systemRandom } from '../../src/base/random.ts'

const hasher = createPasswordHasher()

t.test("CouchDB's own hashes verify", async (t) => {
  // The key is derived from the characters of the salt, not from the bytes that its digits stand for.
  const salt = 'c2d2f3b0a1e94f0b8a6c1d2e3f405162'
  for (const [mark, digest, bytes] of [
    ['', 'sha1', 20],
    [':sha', 'sha1', 20],
    [':sha256', 'sha256', 32],
    [':sha512', 'sha512', 64],
  ] as const) {
    const key = pbkdf2Sync('relax ü', Buffer.from(salt), 10, bytes, digest).toString('hex')
    const hash = parseCouchHash(`-pbkdf2${mark}-${key.toUpperCase()},${salt},10`)!
    t.ok(await hasher.verify('relax ü', hash), digest)
    t.notOk(await hasher.verify('relax', hash), digest)
  }
})

t.test('a published vector: RFC 7914, section 11', async (t) => {
  const hash = parseCouchHash(
    '-pbkdf2:sha256-55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc,salt,1',
  )
  t.ok(hash)
  t.ok(await hasher.verify('passwd', hash!))
})

t.test('what is no hash is a password, what is half a hash is refused', async (t) => {
  t.equal(parseCouchHash('secret'), undefined)
  t.equal(parseCouchHash('-secret'), undefined)
  const key = 'a'.repeat(64)
  for (const text of [
    '-hashed-abc,def',
    '-pbkdf2-abc',
    `-pbkdf2:md5-${key},salt,1`,
    `-pbkdf2:sha256-${key},salt,0`,
    `-pbkdf2:sha256-${key},salt,10000001`,
    `-pbkdf2:sha256-${key}00,salt,1`,
    `-pbkdf2:sha256-${key},,1`,
    `-pbkdf2:constructor-${key},salt,1`,
  ]) {
    t.throws(() => parseCouchHash(text), text)
  }
  t.notOk(isPasswordHash(null))
})

t.test('new hashes have their own salt; many at once all come out', async (t) => {
  const hashes = await Promise.all(Array.from({ length: 9 }, () => hasher.hash('x', 2, systemRandom)))
  t.equal(new Set(hashes.map(({ salt }) => salt)).size, 9)
  t.ok(hashes.every(isPasswordHash))
  t.same(await Promise.all(hashes.map((hash) => hasher.verify('x', hash))), Array(9).fill(true))
  t.notOk(await hasher.verify('y', hashes[0]!))
})
