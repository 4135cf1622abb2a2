/** MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), objects as maps with texts for keys. */
import { Packr } from 'msgpackr/pack'

const packr = new Packr({ useRecords: false })

export function packMessage(value: object): Buffer {
  return packr.pack(value)
}

/** Byte strings may share the memory of `bytes`. Throws for what is not exactly one value. */
export function unpackMessage(bytes: Uint8Array): unknown {
  return packr.unpack(bytes)
}
