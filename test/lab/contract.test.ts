/** What `lab check` says of adapters that are right, wrong, and none. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { checkStore } from '../../src/lab/contract/contract.ts'
import { defineStore, type OpenedStore, type Store } from '../../src/lab/index.ts'
import { loadStore } from '../../src/lab/load-store.ts'
import { storeIn } from '../../src/lab/store-shape.ts'
import { memoryStore } from '../../src/lab/stores/memory.ts'
import { lab } from '../support/lab-command.ts'

const TOY = fileURLToPath(new URL('../../../docs/lab/file-log.mjs', import.meta.url))

/** A store as `memory` is, but for what `change` makes of it once it is open. */
function changed(change: (opened: OpenedStore) => Partial<OpenedStore>): Store {
  return defineStore({
    ...memoryStore,
    name: 'changed',
    async open(folder, options) {
      const opened = await memoryStore.open(folder, options)
      const whole: OpenedStore = {
        commit: (operations, how) => opened.commit?.(operations, how),
        get: (key) => opened.get(key),
        scan: (range) => opened.scan?.(range) ?? [],
        close: () => opened.close(),
      }
      return { ...whole, ...change(whole) }
    },
  })
}

async function wrongs(store: Store): Promise<Record<string, string | undefined>> {
  const broken = await checkStore(store, {}, () => {})
  return Object.fromEntries(broken.map(({ name, reason }) => [name, reason]))
}

t.test('ours and a toy hold', async (t) => {
  for (const store of ['native-free-btree', TOY]) {
    const { status, out } = await lab('check', '--store', store)
    t.equal(status, 0, out)
    t.match(out, /the adapter does what it promises/)
  }
  t.match(
    (await lab('check', '--store', 'memory')).out,
    /-\s+shows everything .*\n\s+the store keeps nothing/,
  )
})

t.test('what an adapter does wrong is told with its function', async (t) => {
  const nulls = await wrongs(changed((opened) => ({ get: (key) => opened.get(key) ?? Buffer.alloc(0) })))
  t.match(nulls['opens an empty folder and shows nothing'], /get\("a"\) in a new store gave ""/)

  const texts = await wrongs(changed(() => ({ get: () => 'text' as unknown as Buffer })))
  t.match(texts['opens an empty folder and shows nothing'], /get\(\) gave a string where bytes were due/)

  const unordered = await wrongs(
    changed((opened) => ({
      scan: (range) =>
        [...(opened.scan!(range) as Iterable<[Buffer, Buffer]>)].sort(([a], [b]) =>
          a.toString() < b.toString() ? -1 : 1,
        ),
    })),
  )
  t.same(Object.keys(unordered), ['scans in bytewise order, from a key on, up to a limit'])

  const unbounded = await wrongs(changed((opened) => ({ scan: ({ start }) => opened.scan!({ start }) })))
  t.match(unbounded['scans in bytewise order, from a key on, up to a limit'], /beyond what was asked for/)

  const kept = new Map<string, Buffer>()
  const shared = await wrongs(
    changed(() => ({
      commit: (operations) => {
        for (const { key, value } of operations) {
          if (value === undefined) kept.delete(key.toString('hex'))
          else kept.set(key.toString('hex'), value)
        }
      },
      get: (key) => kept.get(key.toString('hex')),
    })),
  )
  t.match(shared['shares no memory with its caller'], /copy them/)

  const forgetful = await wrongs({ ...memoryStore, keepsNothing: false })
  t.same(Object.keys(forgetful), ['shows everything after it was closed and opened again'])

  const lost = await wrongs(
    changed((opened) => ({ commit: (operations, how) => opened.commit!(operations.slice(0, 1), how) })),
  )
  t.same(Object.keys(lost), ['applies several operations together, in their order'])

  const past = await wrongs({
    ...memoryStore,
    capabilities: { ...memoryStore.capabilities, fileSystem: true },
  })
  t.match(past['goes by the file system that it is given, and by no other'], /after it was closed/)

  const mute = await wrongs({ ...memoryStore, open: () => ({ close: () => {} }) as unknown as OpenedStore })
  t.match(Object.values(mute)[0], /has no function get\(\)/)
  const writeless = { get: () => undefined, close: () => {}, put: () => {} }
  t.match(
    Object.values(await wrongs({ ...memoryStore, open: () => writeless }))[0],
    /neither commit\(\) nor both/,
  )
})

t.test('what is no adapter', async (t) => {
  const is = (found: unknown) => () => storeIn(found, 'x.js')
  const { capabilities, open } = memoryStore
  t.throws(is(undefined), { message: /default export has to be an object/ })
  t.throws(is({ capabilities, open }), { message: /has no name/ })
  t.throws(is({ name: 'a', capabilities }), { message: /no function open/ })
  t.throws(is({ name: 'a', open }), { message: /true or false for each of transactions, / })
  const wrong = { ...capabilities, transactions: 'yes' }
  t.throws(is({ name: 'a', open, capabilities: wrong }), { message: /capabilities.transactions has to be/ })
  const unknown = { ...capabilities, speed: true }
  t.throws(is({ name: 'a', open, capabilities: unknown }), { message: /capabilities.speed is none/ })
  t.throws(is({ name: 'a', open, capabilities, rebuiltFiles: '-lock' }), { message: /rebuiltFiles/ })

  await t.rejects(loadStore('leveldb'), { message: /is no store: name one of native-free-btree/ })
  await t.rejects(loadStore('./none.js'), { message: /there is no file/ })
  const path = join(t.testdir(), 'broken.mjs')
  writeFileSync(path, 'export default {')
  await t.rejects(loadStore(path), { message: /cannot be loaded: Unexpected/ })
})

t.test('words behind lab', async (t) => {
  t.match(await lab(), { status: 2, err: /Usage: davenport lab/ })
  t.match(await lab('--help'), { status: 0, out: /Usage: davenport lab/ })
  t.match(await lab('check', '-h'), { status: 0, out: /Usage: davenport lab check/ })
  t.match(await lab('sing'), { status: 2, err: /unknown command "sing"/ })
  t.match(await lab('check'), { status: 2, err: /needs --store/ })
  t.match(await lab('check', '--stone', 'x'), { status: 2, err: /Unknown option '--stone'/ })
  t.match(await lab('check', '--store', 'memory', 'more'), { status: 2, err: /unexpected "more"/ })
  t.match(await lab('check', '--store', 'memory', '--set', '=1'), { status: 2, err: /NAME=VALUE/ })
  const fuzzer = fileURLToPath(new URL('../../fuzz/main.js', import.meta.url))
  const fuzzed = spawnSync(process.execPath, [fuzzer, '--store', 'memory'], { encoding: 'utf8' })
  t.match(fuzzed, { status: 2, stderr: /davenport lab: memory keeps nothing/ }, 'npm run fuzz has the same')
  const unknown = await lab('check', '--store', 'memory', '--set', 'a=1')
  t.match(unknown, { status: 1, out: /memory has no setting a/ })
})
