/** The two ends of a compaction that runs in a worker: messages over one port, and shared control words. */
import type { MessagePort } from 'node:worker_threads'
import type { CompactionSource, SnapshotHandle } from '../../native-free-btree/index.ts'
import type { Compression } from '../base/compression.ts'
import { describeError } from '../base/log.ts'
import type { CompactionProgress } from '../database/api/compaction.ts'

/** What the worker is given. */
export interface CompactionJob {
  path: string
  uuid: string
  salt: bigint
  port: MessagePort
  control: SharedArrayBuffer
  /** 0: as fast as it goes. */
  bytesPerSecond: number
  cacheBytes: number
  /** Of bodies that are not packed yet. */
  compression: Compression
}

export interface CompactionReport {
  outcome: 'completed' | 'cancelled'
  bytesAfter: number
  resumed: boolean
}

type Method = 'exportSnapshot' | 'durableEnd' | 'turn' | 'swap'

type ToMain =
  | { call: number; method: Method; argument: unknown }
  | { slowDown: number }
  | { giveBack: true }
  | { progress: CompactionProgress }

type ToWorker = { answer: number; value?: unknown; error?: string }

/** Serves what the worker asks of the store. Returns the way to stop that. */
export function serveSource(
  port: MessagePort,
  source: CompactionSource,
  onProgress: (progress: CompactionProgress) => void,
): () => void {
  const methods: Record<Method, (argument: unknown) => Promise<unknown>> = {
    exportSnapshot: () => source.exportSnapshot(),
    durableEnd: () => source.durableEnd(),
    turn: () => source.turn(),
    swap: (path) => source.swap(path as string),
  }
  const answer = async (call: number, method: Method, argument: unknown): Promise<void> => {
    let message: ToWorker
    try {
      message = { answer: call, value: await methods[method](argument) }
    } catch (error) {
      message = { answer: call, error: describeError(error) }
    }
    port.postMessage(message)
  }
  port.on('message', (message: ToMain) => {
    if ('call' in message) void answer(message.call, message.method, message.argument)
    else if ('progress' in message) onProgress(message.progress)
    else if ('slowDown' in message) source.slowDown(message.slowDown)
    else source.giveBack()
  })
  return () => port.close()
}

/** The store, as the worker sees it. */
export class RemoteSource implements CompactionSource {
  readonly path: string
  readonly uuid: string
  readonly salt: bigint
  readonly #port: MessagePort
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>()
  #called = 0
  /** Why nothing is answered any more. */
  #closed: Error | undefined

  constructor({ path, uuid, salt, port }: CompactionJob) {
    this.path = path
    this.uuid = uuid
    this.salt = salt
    this.#port = port
    port.on('message', ({ answer, value, error }: ToWorker) => {
      const call = this.#calls.get(answer)
      this.#calls.delete(answer)
      if (error === undefined) call?.resolve(value)
      else call?.reject(new Error(error))
    })
    port.on('close', () => {
      this.#closed = new Error('the server has closed the connection')
      for (const { reject } of this.#calls.values()) reject(this.#closed)
    })
  }

  #call(method: Method, argument?: unknown): Promise<unknown> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    this.#called += 1
    const call = this.#called
    return new Promise((resolve, reject) => {
      this.#calls.set(call, { resolve, reject })
      this.#send({ call, method, argument })
    })
  }

  #send(message: ToMain): void {
    this.#port.postMessage(message)
  }

  exportSnapshot(): Promise<SnapshotHandle> {
    return this.#call('exportSnapshot') as Promise<SnapshotHandle>
  }

  durableEnd(): Promise<number> {
    return this.#call('durableEnd') as Promise<number>
  }

  turn(): Promise<number> {
    return this.#call('turn') as Promise<number>
  }

  async swap(path: string): Promise<void> {
    await this.#call('swap', path)
  }

  slowDown(delayMs: number): void {
    this.#send({ slowDown: delayMs })
  }

  giveBack(): void {
    this.#send({ giveBack: true })
  }

  progress(progress: CompactionProgress): void {
    this.#send({ progress })
  }
}
