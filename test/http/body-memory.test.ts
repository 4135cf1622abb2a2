import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { BodyMemory, FREE_BYTES } from '../../src/http/request/body-memory.ts'
import { failure } from '../support/http-request.ts'

const MEBIBYTE = 1024 * 1024
const message = () => Object.assign(new EventEmitter(), { destroyed: false }) as unknown as IncomingMessage

/** A hold whose free bytes are used up. */
function holdOf(memory: BodyMemory, owner: string, request = message()) {
  const hold = memory.hold(owner, request)
  hold.add(FREE_BYTES)
  return hold
}

/** Whether the promise is settled by now. */
async function isOver(promise: Promise<unknown> | undefined): Promise<boolean> {
  const pending = Symbol('pending')
  const first = await Promise.race([promise, new Promise((resolve) => setImmediate(resolve, pending))])
  return first !== pending
}

t.test('short bodies never count', async (t) => {
  const memory = new BodyMemory({ totalBytes: MEBIBYTE, longestBytes: MEBIBYTE })
  for (let i = 0; i < 100; i++) t.equal(memory.hold('a', message()).grow(FREE_BYTES), undefined)
  t.equal(memory.bytes, 0)
})

t.test('who finds no room waits, in order, and nobody overtakes', async (t) => {
  const memory = new BodyMemory({ totalBytes: 4 * MEBIBYTE, longestBytes: 2 * MEBIBYTE })
  const first = holdOf(memory, 'a')
  const second = holdOf(memory, 'b')
  t.equal(first.grow(2 * MEBIBYTE), undefined)
  t.equal(second.grow(2 * MEBIBYTE), undefined)
  const long = holdOf(memory, 'c').grow(2 * MEBIBYTE)
  const short = holdOf(memory, 'd').grow(MEBIBYTE)
  t.equal(await isOver(short), false)
  first.release()
  await long
  t.equal(await isOver(short), false, 'the first of those who wait has it')
  second.release()
  await short
  t.equal(memory.bytes, 3 * MEBIBYTE)
})

t.test('nobody has more than a share, and others pass who waits for the own', async (t) => {
  const memory = new BodyMemory({ totalBytes: 4 * MEBIBYTE, longestBytes: MEBIBYTE })
  const holds = [holdOf(memory, 'a'), holdOf(memory, 'a')]
  for (const hold of holds) t.equal(hold.grow(MEBIBYTE), undefined)
  const third = holdOf(memory, 'a').grow(MEBIBYTE)
  t.equal(await isOver(third), false)
  const other = holdOf(memory, 'b').grow(MEBIBYTE)
  await other
  holds[0]!.release()
  await third
  await t.rejects(holdOf(memory, 'c').grow(3 * MEBIBYTE)!, failure({ kind: 'requestTooLarge' }))
})

t.test('a wait ends with the client, with the request and with time', async (t) => {
  const memory = new BodyMemory({ totalBytes: MEBIBYTE, longestBytes: MEBIBYTE, waitMs: 20 })
  const held = holdOf(memory, 'a')
  t.equal(held.grow(MEBIBYTE), undefined)
  const request = message()
  const gone = holdOf(memory, 'b', request).grow(MEBIBYTE)!
  request.emit('close')
  await t.rejects(gone, failure({ kind: 'clientGone' }))
  const hold = holdOf(memory, 'b')
  const released = hold.grow(MEBIBYTE)!
  hold.release()
  await t.rejects(released, failure({ kind: 'clientGone' }))
  await t.rejects(holdOf(memory, 'b').grow(MEBIBYTE)!, failure({ kind: 'bodiesHeld' }))
  held.release()
  t.equal(memory.bytes, 0)
  const closed = Object.assign(message(), { destroyed: true })
  holdOf(memory, 'a').add(MEBIBYTE)
  await t.rejects(holdOf(memory, 'b', closed).grow(1)!, failure({ kind: 'clientGone' }))
})

t.test(
  'who waits for the own share alone is overtaken, be it that there is no room for him either',
  async (t) => {
    const memory = new BodyMemory({ totalBytes: 4 * MEBIBYTE, longestBytes: 2 * MEBIBYTE })
    const held = holdOf(memory, 'a')
    t.equal(held.grow(MEBIBYTE), undefined)
    const other = holdOf(memory, 'b')
    t.equal(other.grow(2 * MEBIBYTE), undefined)
    // Neither his share nor the rest of all is enough.
    const own = holdOf(memory, 'a').grow(2 * MEBIBYTE)
    t.equal(await isOver(own), false)
    await holdOf(memory, 'c').grow(MEBIBYTE)
    t.equal(await isOver(own), false)
    other.release()
    held.release()
    await own
  },
)

t.test('more than a share is as much as a share', async (t) => {
  const memory = new BodyMemory({ totalBytes: 4 * MEBIBYTE, longestBytes: 2 * MEBIBYTE })
  const first = holdOf(memory, 'a')
  first.add(MEBIBYTE)
  t.equal(first.growWithin(100 * MEBIBYTE), undefined)
  t.equal(memory.bytes, 2 * MEBIBYTE)
  const second = memory.hold('a', message())
  const waiting = second.growWithin(100 * MEBIBYTE)
  t.equal(await isOver(waiting), false, 'one at a time')
  await holdOf(memory, 'b').growWithin(MEBIBYTE)
  first.release()
  await waiting
  t.equal(memory.bytes, 3 * MEBIBYTE)
  second.release()
  t.equal(memory.bytes, MEBIBYTE)
})

t.test('who waits behind his body is there until his connection closes', async (t) => {
  const memory = new BodyMemory({ totalBytes: MEBIBYTE, longestBytes: MEBIBYTE })
  const held = holdOf(memory, 'a')
  held.add(MEBIBYTE)
  const come = (): IncomingMessage =>
    Object.assign(message(), { complete: true, destroyed: true, socket: message() }) as IncomingMessage
  const staying = holdOf(memory, 'a', come()).grow(1)
  t.equal(await isOver(staying), false)
  const going = come()
  const gone = holdOf(memory, 'a', going).grow(1)!
  going.socket.emit('close')
  await t.rejects(gone, failure({ kind: 'clientGone' }))
  held.release()
  await staying
})
