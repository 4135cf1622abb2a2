import t from 'tap'
import { Watchers } from '../../src/server/watchers.ts'
import { recordingLog } from '../support/recording-log.ts'

function made() {
  const { log, lines } = recordingLog()
  const heard: string[] = []
  const watcher = (who: string) => ({
    changed: () => void heard.push(`${who} changed`),
    deleted: () => void heard.push(`${who} deleted`),
  })
  return { watchers: new Watchers(log), lines, heard, watcher }
}

t.test('a deletion ends the watches', async (t) => {
  const { watchers, heard, watcher } = made()
  const end = watchers.watch('a', watcher('first'))
  watchers.watch('a', watcher('second'))
  watchers.watch('b', watcher('of b'))
  watchers.changed('a')
  watchers.changed('nobody')
  t.equal(watchers.count('a'), 2)
  end()
  watchers.deleted('a')
  watchers.changed('a')
  end()
  t.same(heard, ['first changed', 'second changed', 'second deleted'])
  t.same([watchers.count('a'), watchers.count('b')], [0, 1])
})

t.test('watches that end and begin while the watchers are told', async (t) => {
  const { watchers, heard, watcher } = made()
  const ends: (() => void)[] = []
  const restless = {
    changed() {
      heard.push('restless changed')
      for (const end of ends) end()
      ends.push(watchers.watch('a', restless))
    },
    deleted: () => undefined,
  }
  ends.push(watchers.watch('a', restless), watchers.watch('a', watcher('second')))
  watchers.changed('a')
  t.same(heard, ['restless changed'], 'told once, and who has ended is not')
  watchers.changed('a')
  t.equal(heard.length, 2)
})

t.test('a watcher that throws is logged and hurts nobody', async (t) => {
  const { watchers, lines, heard, watcher } = made()
  const fail = () => {
    throw new Error('broken')
  }
  watchers.watch('a', { changed: fail, deleted: fail })
  watchers.watch('a', watcher('second'))
  watchers.changed('a')
  watchers.deleted('a')
  t.same(heard, ['second changed', 'second deleted'])
  t.equal(lines.filter((line) => /"database":"a".*"reason":"broken"/.test(line)).length, 2)
})
