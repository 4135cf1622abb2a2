import t from 'tap'
import {
  checkDatabaseName,
  databaseOfPath,
  isDatabaseName,
  pathOfDatabase,
} from '../../src/server/database-name.ts'
import { errorLike } from '../support/error-like.ts'

t.test('names', async (t) => {
  for (const name of [
    'a',
    'a0_$()+-/z',
    'a/',
    'a//b',
    '_users',
    '_replicator',
    '_global_changes',
    'db/_users',
  ]) {
    t.ok(isDatabaseName(name), name)
    checkDatabaseName(name)
  }
  for (const name of [
    '',
    'A',
    'aB',
    '0a',
    '_x',
    '_dbs',
    '/a',
    'a b',
    'a.b',
    'été',
    'a\n',
    'a%',
    '..',
    'a/../b',
  ]) {
    t.notOk(isDatabaseName(name), name)
    const reason =
      `Name: '${name}'. Only lowercase characters (a-z), digits (0-9), and any of the characters ` +
      '_, $, (, ), +, -, and / are allowed. Must begin with a letter.'
    t.throws(
      () => checkDatabaseName(name),
      errorLike({ status: 400, error: 'illegal_database_name', reason }),
    )
  }
})

t.test('lengths', async (t) => {
  const long = 'a'.repeat(238)
  checkDatabaseName(long)
  checkDatabaseName(`${'a'.repeat(255)}/${long}`)
  for (const name of [`${long}a`, `a/${long}a`, `${'a'.repeat(256)}/a`]) {
    t.throws(
      () => checkDatabaseName(name),
      errorLike({
        status: 400,
        error: 'database_name_too_long',
        reason: `At least one path segment of \`${name}\` is too long.`,
      }),
    )
  }
})

t.test('every name has a file of its own, in either case, and comes back from it', async (t) => {
  const alphabet = ['a', '/', '/', '$', '0']
  let names = ['a']
  const all = new Set<string>()
  for (let length = 1; length < 6; length++) {
    for (const name of names) all.add(name)
    names = names.flatMap((name) => alphabet.map((letter) => name + letter))
  }
  all.add('_users')
  for (const length of [127, 128, 129, 200, 238]) {
    const long = 'a'.repeat(length)
    for (const name of [long, `${long}/a`, `${long}/`, `a/${long}`, `${long}//${long}`, `${long}b/${long}`]) {
      all.add(name)
    }
  }
  const paths = new Map<string, string>()
  for (const name of all) {
    for (const shards of [undefined, 1, 12]) {
      const path = pathOfDatabase('/data', name, shards)
      t.notOk(paths.has(path.toLowerCase()), path)
      paths.set(path.toLowerCase(), name)
      t.ok(path.startsWith('/data/'))
      t.ok(path.split('/').every((part) => part.length < 150))
      t.same(databaseOfPath('/data', path), { name, shards })
    }
  }
  const folders = new Set([...paths.keys()].map((path) => path.slice(0, path.lastIndexOf('/'))))
  t.notOk(
    [...folders].some((folder) => paths.has(folder)),
    'no folder is also a file',
  )
  for (const path of [
    '/data/a',
    '/data/A.davenport',
    '/data/a.davenport.lock',
    '/data/a.q0.davenport',
    '/data/.davenport',
    '/data/a/%.q.davenport',
    '/x.davenport',
    '/data/ab%/c.davenport',
    '/data/a%.davenport',
  ]) {
    t.equal(databaseOfPath('/data', path), undefined, path)
  }
})
