/**
 * What every store must hold before anything is measured or broken. Each check has a folder of its own; what it throws
 * tells the adapter's author what is wrong.
 */
import type { Capabilities, Operation, Store } from '../api.ts'
import { SimulatedDisk } from '../disk/simulated-disk.ts'
import { LabError } from '../lab-error.ts'
import { type Bytes, type Opened, type OpenReads, openStoreOf, withOpened } from '../opened.ts'

export interface CheckSubject {
  readonly store: Store
  readonly folder: string
  readonly settings: Readonly<Record<string, string>>
}

export interface Check {
  readonly name: string
  /** Left out where the store does not promise it. */
  readonly needs?: keyof Capabilities
  /** Rejects with what is wrong, or with NothingToCheck. */
  run(subject: CheckSubject): Promise<void>
}

/** The store has nothing that a check is about. */
export class NothingToCheck extends Error {}

const DURABLE = { durable: true }
const key = (text: string) => Buffer.from(text)
const put = (name: string, value: string): Operation => ({ key: key(name), value: Buffer.from(value) })
const remove = (name: string): Operation => ({ key: key(name), value: undefined })
/** Where a scan is asked for everything, more than this is more than was written. */
const SIDE_BY_SIDE = 20
const LONG_BYTES = 1024 * 1024

function open({ store, folder, settings }: CheckSubject): Promise<Opened> {
  return openStoreOf(store, folder, { settings })
}

/** Writes one operation after another, as any store can. */
async function writeEach(opened: Opened, operations: readonly Operation[]): Promise<void> {
  for (const operation of operations) await opened.write([operation], DURABLE)
}

async function expectValue(
  reads: OpenReads,
  name: Buffer,
  value: Buffer | undefined,
  when: string,
): Promise<void> {
  const found = await reads.get(name)
  const about = `get(${shown(name)}) ${when}`
  if (value === undefined) {
    if (found !== undefined)
      throw new LabError(`${about} gave ${shown(found)}, and the key is not there: give undefined`)
  } else if (found === undefined) {
    throw new LabError(`${about} gave undefined, and ${shown(value)} was written`)
  } else if (!found.equals(value)) {
    throw new LabError(`${about} gave ${shown(found)}, and ${shown(value)} was written`)
  }
}

/** Bytes as they are told: as text where they are letters, in hex otherwise, cut where they are long. */
function shown(bytes: Buffer): string {
  const head = bytes.subarray(0, 24)
  const text = /^[\x20-\x7e]*$/.test(head.toString('latin1'))
    ? `"${head.toString('latin1')}"`
    : `0x${head.toString('hex')}`
  return bytes.length > head.length ? `${text}… (${bytes.length} bytes)` : text
}

function expectEntries(found: readonly Bytes[], expected: readonly Bytes[], what: string): void {
  for (const [index, [name, value]] of expected.entries()) {
    const entry = found[index]
    if (entry === undefined) throw new LabError(`${what} ends before ${shown(name)}`)
    if (!entry[0].equals(name))
      throw new LabError(`${what} gives ${shown(entry[0])} where ${shown(name)} was due`)
    if (!entry[1].equals(value))
      throw new LabError(`${what} gives another value of ${shown(name)} than was written`)
  }
  const more = found[expected.length]
  if (more !== undefined) throw new LabError(`${what} gives ${shown(more[0])} beyond what was asked for`)
}

/** Keys that sort otherwise as text, as numbers or as signed bytes. */
const KEYS = [
  ...[
    '00',
    '0000',
    '00ff',
    '01',
    '2f',
    '30',
    '3130',
    '39',
    '61',
    '6100',
    '6161',
    '7f',
    '80',
    'c3a9',
    'ff',
    'ff00',
  ],
  'ffff',
].map((hex) => Buffer.from(hex, 'hex'))

const entriesOfKeys: readonly Bytes[] = KEYS.map((name, index) => [name, Buffer.from(`value ${index}`)])

function shuffled(entries: readonly Bytes[]): Operation[] {
  return entries
    .map(([name, value], index) => ({ key: name, value, place: (index * 7) % entries.length }))
    .sort((a, b) => a.place - b.place)
    .map(({ key: name, value }) => ({ key: name, value }))
}

export const CHECKS: readonly Check[] = [
  {
    name: 'opens an empty folder and shows nothing',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        await expectValue(opened, key('a'), undefined, 'in a new store')
        if (opened.scans) expectEntries(await opened.scan(), [], 'scan() of a new store')
      }),
  },
  {
    name: 'gives back what was put, replaced and deleted',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        await writeEach(opened, [put('a', '1'), put('b', '2'), put('a', '3'), put('c', '4'), remove('b')])
        await expectValue(opened, key('a'), Buffer.from('3'), 'after it was replaced')
        await expectValue(opened, key('b'), undefined, 'after it was deleted')
        await expectValue(opened, key('c'), Buffer.from('4'), 'after it was put')
        await expectValue(opened, key('aa'), undefined, 'that was never put')
        await writeEach(opened, [remove('never'), put('b', '5')])
        await expectValue(opened, key('b'), Buffer.from('5'), 'after it was deleted and put again')
      }),
  },
  {
    name: 'keeps values of every length and byte',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        const all = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
        const long = Buffer.alloc(LONG_BYTES, all)
        const values = [Buffer.alloc(0), Buffer.from([0]), Buffer.from('\n"\\'), all, long]
        for (const [index, value] of values.entries())
          await opened.write([{ key: key(`v${index}`), value }], DURABLE)
        for (const [index, value] of values.entries()) {
          await expectValue(opened, key(`v${index}`), value, `of ${value.length} bytes`)
        }
      }),
  },
  {
    name: 'tells keys of any bytes apart',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        await writeEach(opened, shuffled(entriesOfKeys))
        for (const [name, value] of entriesOfKeys)
          await expectValue(opened, name, value, 'among keys like it')
        if (!opened.scans) return
        const found = (await opened.scan()).sort(([a], [b]) => a.compare(b))
        expectEntries(found, entriesOfKeys, 'scan(), sorted by the lab,')
      }),
  },
  {
    name: 'shares no memory with its caller',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        const [name, value] = [key('mine'), Buffer.from('kept')]
        await opened.write([{ key: name, value }], DURABLE)
        name.fill(0)
        value.fill(0)
        await expectValue(
          opened,
          key('mine'),
          Buffer.from('kept'),
          "after the caller's buffers were changed: copy them",
        )
        const found = await opened.get(key('mine'))
        found?.fill(0)
        await expectValue(
          opened,
          key('mine'),
          Buffer.from('kept'),
          'after what get() gave was changed: give a copy',
        )
      }),
  },
  {
    name: 'shows everything after it was closed and opened again',
    run: async (subject) => {
      if (subject.store.keepsNothing === true) throw new NothingToCheck('the store keeps nothing')
      const first = await open(subject)
      await writeEach(first, [...shuffled(entriesOfKeys), put('gone', '1'), remove('gone')])
      await first.close()
      const again = await open(subject)
      for (const [name, value] of entriesOfKeys) await expectValue(again, name, value, 'after opening again')
      await expectValue(again, key('gone'), undefined, 'after opening again')
      await again.write([put('later', '1')], DURABLE)
      await again.close()
      await withOpened(subject.store, subject.folder, { settings: subject.settings }, (third) =>
        expectValue(third, key('later'), Buffer.from('1'), 'that was written after opening again'),
      )
    },
  },
  {
    name: 'takes writes that need not be durable',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        await opened.write([put('a', '1')], { durable: false })
        await expectValue(opened, key('a'), Buffer.from('1'), 'after a write with durable: false')
      }),
  },
  {
    name: 'applies several operations together, in their order',
    needs: 'transactions',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        await opened.write([put('a', '1'), put('b', '2'), put('d', '4')], DURABLE)
        await opened.write([put('a', '3'), remove('b'), put('c', '5'), remove('none')], DURABLE)
        await expectValue(opened, key('a'), Buffer.from('3'), 'after a commit of several operations')
        await expectValue(opened, key('b'), undefined, 'after a commit that deletes it')
        await expectValue(opened, key('c'), Buffer.from('5'), 'after a commit of several operations')
        await expectValue(opened, key('d'), Buffer.from('4'), 'after a commit of other keys')
        await opened.write([put('e', '1'), put('e', '2'), put('f', '1'), remove('f')], DURABLE)
        await expectValue(opened, key('e'), Buffer.from('2'), 'that one commit put twice: the last counts')
        await expectValue(opened, key('f'), undefined, 'that one commit put and deleted')
      }),
  },
  {
    name: 'scans in bytewise order, from a key on, up to a limit',
    needs: 'orderedScans',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        await writeEach(opened, shuffled(entriesOfKeys))
        expectEntries(await opened.scan(), entriesOfKeys, 'scan()')
        for (const [index, [name]] of entriesOfKeys.entries()) {
          const what = `scan({ start: ${shown(name)}, limit: 3 })`
          expectEntries(
            await opened.scan({ start: name, limit: 3 }),
            entriesOfKeys.slice(index, index + 3),
            what,
          )
        }
        const between = Buffer.from('3020', 'hex')
        const from = entriesOfKeys.findIndex(([name]) => name.compare(between) > 0)
        expectEntries(
          await opened.scan({ start: between }),
          entriesOfKeys.slice(from),
          'scan() from a key that is not there',
        )
        expectEntries(
          await opened.scan({ start: Buffer.from('ffffff', 'hex') }),
          [],
          'scan() from beyond the last key',
        )
      }),
  },
  {
    name: 'takes writes side by side',
    needs: 'concurrentWriters',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        const names = Array.from({ length: SIDE_BY_SIDE }, (_, index) => `side${index}`)
        await Promise.all(names.map((name) => opened.write([put(name, name)], DURABLE)))
        for (const name of names)
          await expectValue(opened, key(name), Buffer.from(name), 'written beside others')
      }),
  },
  {
    name: 'goes by the file system that it is given, and by no other',
    needs: 'fileSystem',
    run: async ({ store, settings }) => {
      // There is no such folder: what goes past the disk in memory fails.
      const folder = '/davenport-lab-simulated'
      const given = { settings, fileSystem: new SimulatedDisk(1) }
      await withOpened(store, folder, given, (opened) => opened.write([put('a', '1')], DURABLE))
      await withOpened(store, folder, given, (opened) =>
        expectValue(
          opened,
          key('a'),
          Buffer.from('1'),
          'after it was closed and opened again on the same disk',
        ),
      )
      if (given.fileSystem.paths().length === 0)
        throw new LabError('it wrote nothing to the file system it was given')
    },
  },
  {
    name: 'has snapshots that stay as they are',
    run: ({ store, folder, settings }) =>
      withOpened(store, folder, { settings }, async (opened) => {
        if (!opened.snapshots) throw new NothingToCheck('the store has no snapshot()')
        await opened.write([put('a', '1')], DURABLE)
        const snapshot = await opened.snapshot()
        await writeEach(opened, [put('a', '2'), put('b', '3')])
        await expectValue(snapshot.reads, key('a'), Buffer.from('1'), 'of a snapshot, after it was replaced')
        await expectValue(snapshot.reads, key('b'), undefined, 'of a snapshot, after it was put')
        await snapshot.close()
        await expectValue(opened, key('a'), Buffer.from('2'), 'after the snapshot was closed')
      }),
  },
]
