/** The index of a group's operations by their keys, beside a plain map. */
import t from 'tap'
import { keyIndex, type Operations } from '../../native-free-btree/tree/key-index.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

class KeyList implements Operations {
  readonly keys: Buffer[] = []

  bytesOf(index: number): Buffer {
    // What lies around a key is no part of it.
    return Buffer.concat([Buffer.from('<'), this.keys[index]!, Buffer.from('>')])
  }

  keyStart(): number {
    return 1
  }

  keyEnd(index: number): number {
    return 1 + this.keys[index]!.length
  }

  keyOf(index: number): Buffer {
    return this.keys[index]!
  }
}

t.test('the last operation on each key is found, and none on others', async (t) => {
  const random = new Random(propertySeed(t))
  // Of all lengths, many the beginning of others; of bytes that have their highest bit set too.
  const keyOf = (n: number): Buffer => {
    const text = n.toString(16).padStart(1 + (n % 37), '0')
    return n % 3 === 0 ? (Buffer.from(text).map((byte) => byte ^ 0x80) as Buffer) : Buffer.from(text)
  }
  const operations = new KeyList()
  const index = keyIndex(operations, undefined)
  const model = new Map<string, number>()
  let wrong = 0
  for (let step = 0; step < 30_000; step++) {
    const key = step % 500 === 0 ? Buffer.alloc(0) : keyOf(random.int(12_000))
    const around = Buffer.concat([Buffer.from('ab'), key, Buffer.from('c')])
    if (index.last(around, 2, 2 + key.length) !== model.get(key.toString('hex'))) wrong += 1
    if (random.int(2) === 0) continue
    operations.keys.push(key)
    index.add(operations.keys.length - 1)
    model.set(key.toString('hex'), operations.keys.length - 1)
  }
  t.equal(wrong, 0)
  t.ok(model.size > 5000, `${model.size} keys`)
})
