/** What the main thread and a thread that packs streams say to each other, over the port of the job. */
import type { MessagePort } from 'node:worker_threads'
import type { DeflateFunctionOptions } from 'pako'

/** As zlib's, without 0 and -1. */
export type GzipLevel = Exclude<NonNullable<DeflateFunctionOptions['level']>, 0 | -1>

export interface GzipJob {
  port: MessagePort
}

/** `piece` and `finish` are answered; there is no second one before the answer. */
export type GzipRequest =
  | { kind: 'open'; stream: number; level: GzipLevel }
  | { kind: 'piece'; stream: number; piece: Uint8Array<ArrayBuffer> }
  | { kind: 'finish'; stream: number }
  /** Finished or not. */
  | { kind: 'close'; stream: number }
  /** There are no more streams. */
  | { kind: 'end' }

export interface GzipReply {
  stream: number
  packed: Uint8Array<ArrayBuffer>[]
}
