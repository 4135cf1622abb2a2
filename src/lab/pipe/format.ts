/** In which form requests and answers go over the pipe; docs/LAB.md has both with their bytes. */
import { packMessage, unpackMessage } from '../../base/msgpack.ts'
import { Frames } from './frames.ts'
import { Lines } from './lines.ts'

/** Bytes as they stand in a message: base64 in JSON. */
export type WireBytes = string | Uint8Array

/** One message: a line's text, or what is in a frame. */
export type Message = string | Buffer

export interface PipeFormat {
  readonly name: 'json' | 'msgpack'
  /** A request as it is written. */
  encode(request: object): Message
  /** Messages out of chunks, of `most` bytes each. Its `add` throws RangeError for one that is longer. */
  splitter(most: number): { add(chunk: Buffer): Iterable<Message> }
  /** Throws for what is none. */
  decode(message: Message): unknown
  /** The beginning of a message, for people. */
  show(message: Message): string
  toWire(bytes: Buffer): WireBytes
  /** Undefined for what are no bytes. */
  fromWire(value: unknown): Buffer | undefined
}

const MOST_SHOWN = 80
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

export const JSON_LINES: PipeFormat = {
  name: 'json',
  encode: (request) => `${JSON.stringify(request)}\n`,
  splitter: (most) => new Lines(most),
  decode: (message) => JSON.parse(message.toString()) as unknown,
  show: (message) => JSON.stringify(message.toString().slice(0, MOST_SHOWN)),
  toWire: (bytes) => bytes.toString('base64'),
  fromWire: (value) =>
    typeof value === 'string' && BASE64.test(value) ? Buffer.from(value, 'base64') : undefined,
}

export const MSGPACK_FRAMES: PipeFormat = {
  name: 'msgpack',
  encode(request) {
    const bytes = packMessage(request)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  },
  splitter: (most) => new Frames(most),
  decode: (message) => unpackMessage(Buffer.from(message)),
  show: (message) => Buffer.from(message).subarray(0, MOST_SHOWN).toString('hex'),
  toWire: (bytes) => bytes,
  fromWire: (value) =>
    value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : undefined,
}

export const FORMATS: readonly PipeFormat[] = [JSON_LINES, MSGPACK_FRAMES]
