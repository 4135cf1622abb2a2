import t from 'tap'
import { type Caller, HashQueue, hashesAtOnce } from '../../src/auth/hash-queue.ts'
import { failure } from '../support/http-request.ts'

/** A caller that can be made to go. */
function callerOf(address: string): Caller & { go(): void } {
  const listeners = new Set<() => void>()
  return {
    address,
    go() {
      for (const listener of listeners) listener()
    },
    onGone(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Work that ends when it is told to, and the names of what has begun. */
function setUp(atOnce = 2) {
  const queue = new HashQueue(atOnce)
  const begun: string[] = []
  const ends: (() => void)[] = []
  const ask = (name: string, caller: Caller): Promise<string> => {
    const asked = queue.run(caller, async () => {
      begun.push(name)
      await new Promise<void>((resolve) => ends.push(resolve))
      return name
    })
    asked.catch(() => undefined)
    return asked
  }
  const endOne = async (): Promise<void> => {
    ends.shift()!()
    await new Promise(setImmediate)
  }
  return { queue, begun, ask, endOne }
}

t.test('addresses take turns, two at a time', async (t) => {
  const { begun, ask, endOne } = setUp()
  for (let i = 0; i < 60; i++) void ask(`a${i}`, callerOf('10.0.0.1'))
  await new Promise(setImmediate)
  t.same(begun, ['a0', 'a1'])
  void ask('b0', callerOf('10.0.0.2'))
  void ask('b1', callerOf('10.0.0.2'))
  for (let i = 0; i < 4; i++) await endOne()
  t.same(begun, ['a0', 'a1', 'a2', 'b0', 'a3', 'b1'])
})

t.test('one processor is left for requests where there are two', async (t) => {
  t.same([1, 2, 3, 64].map(hashesAtOnce), [1, 1, 2, 2])
  const { begun, ask, endOne } = setUp(1)
  for (let i = 0; i < 3; i++) void ask(`a${i}`, callerOf('10.0.0.1'))
  await new Promise(setImmediate)
  t.same(begun, ['a0'])
  await endOne()
  t.same(begun, ['a0', 'a1'])
})

t.test('one address has so many waiting, and all have', async (t) => {
  const { queue, ask } = setUp()
  for (let i = 0; i < 66; i++) void ask('a', callerOf('10.0.0.1'))
  await t.rejects(ask('a', callerOf('10.0.0.1')), failure({ kind: 'tooManyHashes', status: 429 }))
  for (let i = 0; i < 192; i++) void ask('b', callerOf(`10.1.0.${i % 4}`))
  t.equal(queue.waiting, 256)
  const late = ask('late', callerOf('10.2.0.1'))
  t.equal(queue.waiting, 256, 'it has the place of one of the address that has most')
  for (let i = 0; i < 400; i++) void ask('c', callerOf(`10.3.${i}.1`))
  t.equal(queue.waiting, 256)
  await t.rejects(ask('d', callerOf('10.2.0.1')), failure({ kind: 'hashesBusy', status: 503 }))
  late.catch(() => t.fail('it keeps its place'))
})

t.test('who has gone is hashed for no more', async (t) => {
  const { queue, begun, ask, endOne } = setUp()
  const callers = Array.from({ length: 20 }, () => callerOf('10.0.0.1'))
  const asked = callers.map((caller, i) => ask(`${i}`, caller))
  for (const caller of callers.slice(2, 19)) caller.go()
  t.equal(queue.waiting, 1)
  await t.rejects(asked[5]!, failure({ kind: 'clientGone' }))
  await endOne()
  t.same(begun, ['0', '1', '19'])
  callers[0]!.go()
  t.equal(await asked[0], '0', 'what runs is not stopped')
})

t.test('a network of IPv6 is one address; a mapped one is that of IPv4', async (t) => {
  const { begun, ask, endOne } = setUp()
  for (let i = 0; i < 10; i++) void ask(`a${i}`, callerOf(`2001:db8::${i}:1`))
  void ask('b', callerOf('2001:db8:0:1::1'))
  void ask('c', callerOf('::ffff:10.0.0.1'))
  void ask('d', callerOf('10.0.0.1'))
  await new Promise(setImmediate)
  for (let i = 0; i < 4; i++) await endOne()
  t.same(begun, ['a0', 'a1', 'a2', 'b', 'c', 'a3'])
})
