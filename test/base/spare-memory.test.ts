/** Memory that was given back is used again, by one at a time, and by nobody who wants far less. */
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import t from 'tap'
import { SpareMemory } from '../../src/base/spare-memory.ts'

const SIZE = 1024 * 1024

t.test('what was given back is taken next', (t) => {
  const spare = new SpareMemory()
  const first = spare.take(SIZE)
  t.ok(first.length >= SIZE)
  spare.give(first.subarray(5, 9))
  const second = spare.take(SIZE - 1000)
  t.equal(second.buffer, first.buffer)
  t.equal(second.length, second.buffer.byteLength)
  t.not(spare.take(SIZE).buffer, first.buffer, 'by one at a time')
  t.end()
})

t.test('nobody gets more than twice of what was asked for', (t) => {
  const spare = new SpareMemory()
  const first = spare.take(SIZE)
  spare.give(first)
  t.not(spare.take(SIZE / 2 - 1).buffer, first.buffer)
  t.not(spare.take(SIZE + 1).buffer, first.buffer, 'nor less')
  t.equal(spare.take(SIZE / 2).buffer, first.buffer)
  t.end()
})

t.test('what was not taken here is not kept, nor what was given back already', (t) => {
  const spare = new SpareMemory()
  const other = Buffer.allocUnsafeSlow(SIZE)
  spare.give(other)
  t.not(spare.take(SIZE).buffer, other.buffer)
  const first = spare.take(SIZE)
  spare.give(first)
  t.equal(spare.take(SIZE).buffer, first.buffer)
  spare.give(first)
  spare.give(first)
  t.equal(spare.take(SIZE).buffer, first.buffer)
  t.not(spare.take(SIZE).buffer, first.buffer)
  t.end()
})

t.test('memory that went to another thread and came back is what was taken', (t) => {
  const spare = new SpareMemory()
  const { port1, port2 } = new MessageChannel()
  const first = spare.take(SIZE)
  port1.postMessage(first, [first.buffer])
  const { message } = receiveMessageOnPort(port2) as { message: Uint8Array<ArrayBuffer> }
  spare.moved(first, message)
  spare.give(message)
  t.equal(spare.take(SIZE).buffer, message.buffer)
  port1.close()
  t.end()
})
