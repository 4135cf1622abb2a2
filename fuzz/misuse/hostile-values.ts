/**
 * Arguments that no caller should pass, and byte strings that are strange and good. What a value of the second kind
 * holds is known beside it.
 */
import { runInNewContext } from 'node:vm'
import type { Random } from '../../test/support/random.ts'

/** What a caller's own code throws: it reaches the caller as it is. */
export class CallersError extends Error {}

function throwing(): never {
  throw new CallersError('a getter of the caller')
}

/** Memory that was given away: a view of it has no bytes. */
export function detach(bytes: Uint8Array): void {
  structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
}

interface Resizable extends ArrayBuffer {
  resize(length: number): void
}

type ResizableConstructor = new (length: number, options: { maxByteLength: number }) => Resizable

function resizable(length: number): Resizable {
  return new (ArrayBuffer as unknown as ResizableConstructor)(length, { maxByteLength: length * 2 + 8 })
}

const ForeignBytes = runInNewContext('Uint8Array') as Uint8ArrayConstructor

class Lying extends Uint8Array {
  override get length(): number {
    return 1_000_000
  }

  override subarray(): never {
    return throwing()
  }
}

class Bytes extends Uint8Array {}

const NO_BYTES: readonly ((random: Random) => unknown)[] = [
  () => undefined,
  () => null,
  () => true,
  () => 'text',
  () => 7,
  () => Number.NaN,
  () => -1,
  () => 10n,
  () => Symbol('key'),
  () => () => Buffer.from('x'),
  () => ({}),
  () => ({ length: -1 }),
  () => ({ length: -7, 0: 1 }),
  () => ({ length: 2 ** 40 }),
  () => [1, 2, 3],
  () => new ArrayBuffer(8),
  () => new SharedArrayBuffer(8),
  () => new DataView(new ArrayBuffer(8)),
  () => new Uint16Array(4),
  () => new Int8Array(4),
  () => new Uint8ClampedArray(4),
  () => new Float64Array(2),
  () => new BigUint64Array(2),
  () => Promise.resolve(Buffer.from('x')),
  () => new Proxy(new Uint8Array(4), {}),
  () => new Proxy({}, { get: throwing, getPrototypeOf: throwing, has: throwing, ownKeys: throwing }),
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  () => Object.create(Uint8Array.prototype),
  () => Object.create(Buffer.prototype),
  () => ({
    get length() {
      return throwing()
    },
  }),
  () => {
    const gone = new Uint8Array(16)
    detach(gone)
    return gone
  },
  () => {
    const buffer = resizable(16)
    const outside = new Uint8Array(buffer, 8, 8)
    buffer.resize(4)
    return outside
  },
]

export function noBytes(random: Random): unknown {
  return random.pick(NO_BYTES)(random)
}

/** Where a number that counts something is wanted. */
export function noCount(random: Random): unknown {
  return random.pick<unknown>([
    Number.NaN,
    -1,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    '5',
    null,
    true,
    {},
    [],
    3n,
    Symbol('n'),
    -0.5,
  ])
}

/** Where a function is wanted. */
export function noFunction(random: Random): unknown {
  return random.pick<unknown>([undefined, null, 1, 'build', {}, [], Promise.resolve(), Symbol('f')])
}

/** Where an object of options is wanted. */
export function noObject(random: Random): unknown {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return random.pick<unknown>([null, 1, 'options', [], true, Symbol('o'), 5n, () => 1, proxy])
}

/** A view of the same bytes that is as good as a Buffer, and what spoils it after the call. */
export function strangeBytes(random: Random, bytes: Buffer): { given: Uint8Array; spoil: () => void } {
  const { length } = bytes
  const filled = (given: Uint8Array): { given: Uint8Array; spoil: () => void } => {
    Uint8Array.prototype.set.call(given, bytes)
    return { given, spoil: () => void Uint8Array.prototype.fill.call(given, 0xee) }
  }
  switch (random.int(10)) {
    case 0: {
      const given = new Uint8Array(bytes)
      return { given, spoil: () => detach(given) }
    }
    case 1:
      return filled(new Uint8Array(new SharedArrayBuffer(length + 9), 3, length))
    case 2: {
      const buffer = resizable(length)
      return { ...filled(new Uint8Array(buffer)), spoil: () => buffer.resize(0) }
    }
    case 3: {
      const buffer = resizable(length)
      return { ...filled(new Uint8Array(buffer)), spoil: () => buffer.resize(length * 2 + 8) }
    }
    case 4:
      return filled(new Lying(length))
    case 5:
      return filled(new Bytes(length))
    case 6:
      return filled(new ForeignBytes(length))
    case 7: {
      const { given, spoil } = filled(new Uint8Array(length))
      for (const name of ['length', 'buffer', 'byteOffset', 'byteLength', 'subarray']) {
        if (random.bool()) Object.defineProperty(given, name, { get: throwing })
      }
      return { given, spoil }
    }
    default:
      return filled(Buffer.alloc(length + 5).subarray(2, 2 + length))
  }
}
