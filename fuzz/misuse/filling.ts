/** The making of a file that is to take the store's name, by somebody who does it wrongly half of the time. */
import {
  type Filling,
  NewFile,
  newFileOf,
  openStore,
  removeNewFile,
  StorageError,
} from '../../native-free-btree/index.ts'
import { CallersError, noBytes, noObject } from './hostile-values.ts'
import { awaitRefusal, refused, typed } from './refusals.ts'
import { PATH, type Subject } from './subject.ts'

export async function misuseFilling(run: Subject): Promise<void> {
  const { store, random, acknowledged } = run
  const options = { ...run.options(), fillBytes: random.pick([1, 2000, 100_000]) }
  await awaitRefusal('a source that is none', () => NewFile.open(PATH, noObject(random) as never, options))
  await awaitRefusal('a source without a name', () =>
    NewFile.open(PATH, { uuid: 'x', salt: store.salt }, options),
  )
  const file = await NewFile.open(PATH, store, options)
  const entries = acknowledged.entries('plain')
  let broken = false
  for (let at = 0; at < entries.length && !broken; ) {
    let kept: Filling | undefined
    const trouble = random.bool(0.1)
    try {
      await file.fill((filling) => {
        kept = filling
        do {
          const { key, value } = entries[at]!
          filling.add('plain', key, value)
          at += 1
          if (random.bool(0.1))
            refused('an entry before the last', () => filling.add('plain', Buffer.alloc(0), value))
          if (random.bool(0.1))
            refused('a key that is none', () => filling.add('plain', noBytes(random) as Buffer, value))
          if (random.bool(0.1))
            refused('bytes that are none', () => filling.append(noBytes(random) as Buffer))
        } while (at < entries.length && !filling.isFull)
        if (trouble) throw new CallersError('a filling of the caller')
      })
    } catch (error) {
      typed('a filling', error)
      if (!trouble) throw error
      broken = true
    }
    refused('a filling that is over', () => kept!.append(Buffer.from('x')), ['CLOSED'])
  }
  if (broken) await useBroken(file)
  else await finish(run, file)
  await removeNewFile(run.disk, PATH)
  await run.disk.syncDirectory('/d')
  run.coverage.count(broken ? 'fillingsBroken' : 'fillingsFinished')
}

async function useBroken(file: NewFile): Promise<void> {
  const source = { handle: {}, definitions: new Map() } as never
  await awaitRefusal('a broken filling', () => file.fill(() => 1), ['POISONED'])
  await awaitRefusal('the end of a broken load', () => file.finishLoad('plain'), ['POISONED'])
  await awaitRefusal('a mark in a broken file', () => file.mark(source, {}), ['POISONED'])
  await awaitRefusal('the end of a broken file', () => file.finish(), ['POISONED'])
  await file.close()
}

async function finish(run: Subject, file: NewFile): Promise<void> {
  await file.finishLoad('plain')
  await file.finish()
  const made = await openStore(newFileOf(PATH), run.options())
  const snapshot = made.snapshot()
  const cursor = snapshot.tree('plain').cursor()
  for (const { key, value } of run.acknowledged.entries('plain')) {
    if (!cursor.next() || !cursor.key().equals(key) || !cursor.value().equals(value)) {
      throw new Error('the file that was made holds something else')
    }
  }
  snapshot.close()
  const { problems } = await made.check()
  await made.close()
  if (problems.length > 0) throw new StorageError('DAMAGED', JSON.stringify(problems.slice(0, 2)))
}
