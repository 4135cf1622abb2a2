/** The first depth: kills of a store's process, what they find, and what a process may do. */
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Lane } from '../../src/lab/crash/lanes.ts'
import { judgeLane } from '../../src/lab/crash/verdict.ts'
import { loadStore, storeSource } from '../../src/lab/load-store.ts'
import { withOpened } from '../../src/lab/opened.ts'
import { StoreProcess } from '../../src/lab/pipe/store-process.ts'
import { lab } from '../support/lab-command.ts'

t.setTimeout(300_000)

const BROKEN = fileURLToPath(new URL('../../../test/lab/broken-stores.mjs', import.meta.url))

/** The contents of a lane after `number` commits. */
function contents(lane: Lane, number: number): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (const key of lane.keys(number)) {
    const value = lane.valueAfter(key, number)?.value
    if (value !== undefined) found.set(key, value)
  }
  return found
}

t.test('what a lane may show', async (t) => {
  const lane = new Lane(7, 0, { transactions: true })
  const bounds = { low: 20, high: 23 }
  for (const number of [20, 21, 22, 23]) t.equal(judgeLane(lane, contents(lane, number), bounds), number)
  const judge = (found: Map<string, Buffer>) => () => judgeLane(lane, found, bounds)
  t.throws(judge(contents(lane, 19)), { message: /commit 20 of lane0/ })
  t.throws(judge(contents(lane, 0)), { message: /it shows nothing/ })

  const changed = contents(lane, 21)
  const [key, value] = [...changed][3]!
  t.throws(judge(new Map(changed).set(key, Buffer.concat([value, value]))), { message: /never written/ })

  // A commit that puts two keys, of which one arrived.
  let number = 20
  const puts = () => lane.commit(number).operations.filter(({ value }) => value !== undefined)
  while (puts().length < 2) number += 1
  const half = contents(lane, number)
  const split = puts()[0]!.key.toString()
  const before = contents(lane, number - 1).get(split)
  if (before === undefined) half.delete(split)
  else half.set(split, before)
  const torn = () => judgeLane(lane, half, { low: number - 1, high: number })
  t.throws(torn, { message: /half of a transaction/ })
})

t.test('kills find what each broken store does', async (t) => {
  const found: Record<string, RegExp> = {
    buffers: /acknowledged write lost: commit \d+ of lane0/,
    splits: /half of a transaction: lane0\/key\d+ is as after commit/,
    invents: /never written: lane0\/key\d+ holds \d+ bytes/,
  }
  for (const [bug, pattern] of Object.entries(found)) {
    const out = t.testdir()
    const args = [
      '--store',
      BROKEN,
      '--set',
      `bug=${bug}`,
      '--seed',
      '4',
      '--lives',
      '48',
      '--no-shrink',
      '--out',
      out,
    ]
    const fuzzed = await lab('fuzz', ...args)
    t.equal(fuzzed.status, 1, `${bug}: ${fuzzed.out}`)
    t.match(fuzzed.out, pattern)
    const [file] = readdirSync(out)
    if (bug === 'invents')
      t.match(await lab('replay', join(out, file!)), { status: 1, out: /now, try 1: never written/ })
  }
  const right = await lab('fuzz', '--store', BROKEN, '--seed', '4', '--lives', '4')
  t.match(right, { status: 0, out: /nothing was found/ })
})

/** A program that reads a line and does as `script` says, `id` being the request's. */
function program(t: Test, script: string): string {
  const path = join(t.testdir(), 'program.cjs')
  writeFileSync(path, script)
  return path
}

t.test('whatever a process does, a request settles', async (t) => {
  const each = (answer: string) =>
    `require('readline').createInterface(process.stdin).on('line', (line) => { const { id } = JSON.parse(line); ${answer} })`
  const ask = async (script: string) => {
    const asked = new StoreProcess({ command: [process.execPath, program(t, script)] })
    try {
      return await asked.ask({ do: 'hello', protocol: 1 })
    } finally {
      await asked.kill()
    }
  }
  t.match(await ask(each('console.log(JSON.stringify({ id, ok: true }))')), { ok: true })
  await t.rejects(ask(each("console.log(JSON.stringify({ id, error: 'no' }))")), { message: 'no' })
  await t.rejects(ask(each("console.log('hello')")), { message: /no JSON: "hello"/ })
  await t.rejects(ask(each('console.log(JSON.stringify({ id: 99, ok: true }))')), {
    message: /nobody has asked/,
  })
  await t.rejects(ask(each('console.log(JSON.stringify({ id }))')), { message: /has to have "ok":true/ })
  await t.rejects(ask("console.error('out of luck'); process.exit(3)"), { message: /status 3: out of luck/ })
  await t.rejects(ask(each("process.kill(process.pid, 'SIGTERM')")), { message: /was ended by SIGTERM/ })
  const endless = "const x = 'x'.repeat(1 << 20); const go = () => process.stdout.write(x, go); go()"
  await t.rejects(ask(endless), { message: /a line of more than/ })
  await t.rejects(new StoreProcess({ command: ['/no/such/program'] }).ask({ do: 'close' }), {
    message: /cannot be started/,
  })
})

t.test('a store behind a pipe', async (t) => {
  t.match(storeSource('python3 "a b.py" -x'), {
    kind: 'command',
    words: ['python3', 'a b.py', '-x'],
    format: { name: 'json' },
  })
  const host = fileURLToPath(new URL('../../src/lab/pipe/host.js', import.meta.url))
  const store = await loadStore(`${process.execPath} ${host} native-free-btree`)
  t.match(store, { name: 'native-free-btree', capabilities: { orderedScans: true }, rebuiltFiles: ['.lock'] })
  await withOpened(store, mkdtempSync(join(tmpdir(), 'davenport-lab-')), {}, async (opened) => {
    const operations = Array.from({ length: 1201 }, (_, number) => ({
      key: Buffer.from(String(10_000 + number)),
      value: Buffer.from([number & 255]),
    }))
    await opened.write(operations, { durable: true })
    const entries = await opened.scan({ start: Buffer.from('10001') })
    t.equal(entries.length, 1200, 'scans go over pages')
    t.equal((await opened.scan({ limit: 700 })).length, 700)
    t.equal(await opened.get(Buffer.from('none')), undefined)
  })
})
