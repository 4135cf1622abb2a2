import t from 'tap'
import { Listeners } from '../../src/base/listeners.ts'

function made() {
  const failures: unknown[] = []
  const heard: string[] = []
  const listeners = new Listeners<string>((error) => failures.push(error))
  const note = (who: string) => (value: string) => void heard.push(`${who} ${value}`)
  return { listeners, failures, heard, note }
}

t.test('all are told, in the order in which they came', async (t) => {
  const { listeners, heard, note } = made()
  listeners.tell('nobody')
  listeners.subscribe(note('a'))
  listeners.subscribe(note('b'))
  listeners.tell('x')
  t.same(heard, ['a x', 'b x'])
})

t.test('one that throws is reported and hurts nobody', async (t) => {
  const { listeners, failures, heard, note } = made()
  const error = new Error('broken')
  listeners.subscribe(() => {
    throw error
  })
  listeners.subscribe(note('b'))
  listeners.tell('x')
  listeners.tell('y')
  t.same(heard, ['b x', 'b y'])
  t.same(failures, [error, error])
})

t.test('one listener may subscribe twice; each subscription ends alone', async (t) => {
  const { listeners, heard, note } = made()
  const listener = note('a')
  const end = listeners.subscribe(listener)
  listeners.subscribe(listener)
  end()
  end()
  listeners.tell('x')
  t.same(heard, ['a x'])
})

t.test('listeners that come and go while they are told', async (t) => {
  const { listeners, heard, note } = made()
  const ends: (() => void)[] = []
  ends.push(
    listeners.subscribe((value) => {
      heard.push(`first ${value}`)
      ends[0]!()
      ends[2]!()
      listeners.subscribe(note('late'))
    }),
    listeners.subscribe(note('second')),
    listeners.subscribe(note('third')),
  )
  listeners.tell('x')
  t.same(heard, ['first x', 'second x'])
  listeners.tell('y')
  t.same(heard.slice(2), ['second y', 'late y'])
})
