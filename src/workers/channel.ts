/**
 * One end of a line between two threads. What holds:
 * - What is said in one go is one message; bytes are put behind each other into one buffer, which is handed over, not
 *   copied. While other calls wait for their answers, and where several joined the message before (all may have been answered at
 *   once, and ask again at once), a message goes when a turn of the event loop brought nothing more to
 *   say, a millisecond after its beginning, or in the middle of a turn, when it is long: the fixed costs of a message, which
 *   wakes the other thread, and of what that does for it, a sync among it, are shared by all who are busy at a time, and the
 *   other thread works while a long turn goes on. A single caller waits for none of it.
 * - Every call is answered once: with its result, with the error that it met, or with `gone` when the line ends.
 * - A caller who has gone says so: the one who is called hears it by the signal.
 */
import type { MessagePort } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { Places } from '../base/places.ts'
import { errorOf, type Failure, failureOf } from '../database/shared/failure.ts'

/** The sides' vocabularies: calls by method, notices by name. */
export interface Vocabulary {
  calls: object
  notices: object
}

type CallShape = { args: unknown; result: unknown }
type ArgsOf<T> = T extends CallShape ? T['args'] : never
type ResultOf<T> = T extends CallShape ? T['result'] : never

/** What a call gives back, the bytes that come with it, and the memory that was lent to it. */
export interface Answered<T> {
  result: T
  bytes: Uint8Array | undefined
  lent: Uint8Array<ArrayBuffer> | undefined
}

export interface CallOptions {
  /** Go with the call; they are copied before `call` returns. */
  bytes?: Uint8Array | undefined
  /**
   * Memory of its own that is handed over, not copied, and comes back with the answer: nobody here may look at it meanwhile. It is
   * lost where the call is refused.
   */
  lent?: Uint8Array<ArrayBuffer> | undefined
  /** Tells the other side that nobody waits any more. The call is answered all the same. */
  signal?: AbortSignal | undefined
  /** For how many who wait; default one. */
  callers?: number | undefined
}

/** What a handler is given beside the arguments. */
export interface Request {
  /** A view of the message: to be copied by whoever keeps it. */
  readonly bytes: Uint8Array
  /** To be given back with the answer. */
  readonly lent: Uint8Array<ArrayBuffer> | undefined
  readonly signal: AbortSignal
  /**
   * Answers at once, while the handler still runs or something that it waits for does: with all that was said before, without a turn
   * of the event loop. What the handler gives or throws afterwards is of no account.
   */
  answer(result: WithBytes): void
}

/** Serves one method. Gives bytes back beside its result through `withBytes`. */
export type Handler<Args, Result> = (
  args: Args,
  request: Request,
) => Result | WithBytes | Promise<Result | WithBytes>

export type Handlers<Calls extends object> = {
  [M in keyof Calls]: Handler<ArgsOf<Calls[M]>, ResultOf<Calls[M]>>
}

export type Listeners<Notices extends object> = {
  [N in keyof Notices]: (value: Notices[N]) => void
}

/** An answer that is bytes alone, and the memory that was lent. */
export class WithBytes {
  readonly bytes: Uint8Array
  readonly lent: Uint8Array<ArrayBuffer> | undefined

  constructor(bytes: Uint8Array, lent?: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes
    this.lent = lent
  }
}

const CALL = 0
const ANSWER = 1
const REFUSAL = 2
const NOTICE = 3
const GONE = 4
/** As CALL and ANSWER, with memory that is lent or given back: the next of the message's. */
const LENDING_CALL = 5
const RETURNING_ANSWER = 6

/**
 * Items lie behind each other in one array, of numbers for the most part, which is cloned in a fraction of the time of as many
 * objects. Each has its kind, the number of the call, the number of the method or name, the value, and where its bytes end in
 * the message's: they begin where those of the item before end.
 */
interface Message {
  items: unknown[]
  bytes: Uint8Array | undefined
  /** In the order of their items. */
  lent: readonly Uint8Array<ArrayBuffer>[] | undefined
  /** Methods and names that were not said on the line before, whose numbers follow those that were. */
  names: readonly string[] | undefined
}

const ITEM_SIZE = 5

interface Waiting {
  resolve: (answered: Answered<unknown>) => void
  reject: (error: unknown) => void
  forget: (() => void) | undefined
  readonly callers: number
}

function nothing(): void {}

/** With more callers than these there are others to share a message with, about. */
const FEW_WAITING = 2
/** Memory in which messages are put together, at first. */
const LEAST_BYTES = 16 * 1024
/** More of it is not got beforehand, for a message that may be short. */
const MOST_EXPECTED_BYTES = 256 * 1024
/** A message that is gathered goes with so many items at the latest, and behind the turn that ends so long after the first of them. */
const MOST_GATHERED = 24
const MOST_GATHERING_MS = 1

const NO_BYTES = new Uint8Array(0)

export interface ChannelOptions<Own extends Vocabulary> {
  port: MessagePort
  handlers: Handlers<Own['calls']>
  listeners: Listeners<Own['notices']>
}

/** `Own`: what this side is asked and told; `Other`: what it asks and tells. */
export class Channel<Own extends Vocabulary, Other extends Vocabulary> {
  readonly #port: MessagePort
  readonly #handlers: Record<string, Handler<unknown, unknown>>
  readonly #listeners: Record<string, (value: unknown) => void>
  readonly #waiting = new Places<Waiting>()
  /** Who waits for them. */
  #callers = 0
  /** Calls of the other side that run, and can be told that their caller has gone. */
  readonly #serving = new Map<number, AbortController>()
  #items: unknown[] = []
  /** Whoever says something when the message goes. */
  #joining: (() => void)[] = []
  /** Things that the message is to say, and those of them that joined. */
  #said = 0
  #joined = 0
  /** How many joined the last message. */
  #lastJoined = 0
  /** Bytes of the items. */
  #bytes = NO_BYTES
  #length = 0
  #lent: Uint8Array<ArrayBuffer>[] | undefined
  /** Of the last message that had some. */
  #lastLength = 0
  /** What this side has said, by method or name, and what of it the other side is to be told with the next message. */
  readonly #numbers = new Map<string, number>()
  #newNames: string[] | undefined
  /** What the other side has said. */
  readonly #names: string[] = []
  /** Whoever flushes is called: behind what runs now, or, where others are waited for, behind the turn. */
  #flushDue = false
  #isGathering = false
  /** When the first of what is gathered was said, and how much there was when it was last looked at. */
  #gatheringSinceMs = 0
  #gathered = 0
  /** `#gatherOn` is called behind this turn. */
  #lookDue = false
  #ended: Error | undefined

  constructor(options: ChannelOptions<Own>) {
    this.#port = options.port
    this.#handlers = options.handlers as Record<string, Handler<unknown, unknown>>
    this.#listeners = options.listeners as Record<string, (value: unknown) => void>
    options.port.on('message', (message: Message) => this.#receive(message))
  }

  /** Who waits for answers. */
  get waiting(): number {
    return this.#callers
  }

  /** Rejects with the error that the other side met, and with `end`'s when the line ends before. */
  call<M extends keyof Other['calls'] & string>(
    method: M,
    args: ArgsOf<Other['calls'][M]>,
    { bytes, lent, signal, callers = 1 }: CallOptions = {},
  ): Promise<Answered<ResultOf<Other['calls'][M]>>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    const waiting: Waiting = { resolve: nothing, reject: nothing, forget: undefined, callers }
    const answered = new Promise<Answered<unknown>>((resolve, reject) => {
      waiting.resolve = resolve
      waiting.reject = reject
    })
    const id = this.#waiting.add(waiting)
    this.#callers += callers
    waiting.forget = this.#onGone(id, signal)
    if (lent === undefined) this.#say(CALL, id, method, args, bytes)
    else this.#sayLending(LENDING_CALL, id, method, args, bytes, lent)
    if (signal?.aborted) this.#say(GONE, id, '', undefined, undefined)
    return answered as Promise<Answered<ResultOf<Other['calls'][M]>>>
  }

  /** Tells the other side when the signal comes; answers the way to do so no more. */
  #onGone(id: number, signal: AbortSignal | undefined): (() => void) | undefined {
    if (signal === undefined) return undefined
    const onAbort = (): void => this.#say(GONE, id, '', undefined, undefined)
    signal.addEventListener('abort', onAbort, { once: true })
    return () => signal.removeEventListener('abort', onAbort)
  }

  /** The result alone. */
  async ask<M extends keyof Other['calls'] & string>(
    method: M,
    args: ArgsOf<Other['calls'][M]>,
    options?: CallOptions,
  ): Promise<ResultOf<Other['calls'][M]>> {
    return (await this.call(method, args, options)).result
  }

  tell<N extends keyof Other['notices'] & string>(name: N, value: Other['notices'][N]): void {
    if (this.#ended === undefined) this.#say(NOTICE, 0, name, value, undefined)
  }

  /** The other side has gone, or this one goes: what waits is rejected, what runs is told that nobody waits. */
  end(error: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    for (const [id, waiting] of this.#waiting.entries()) {
      this.#waiting.take(id)
      waiting.forget?.()
      waiting.reject(error)
    }
    this.#callers = 0
    for (const controller of this.#serving.values()) controller.abort()
    this.#serving.clear()
    this.#port.close()
  }

  #say(kind: number, id: number, name: string, value: unknown, bytes: Uint8Array | undefined): void {
    if (bytes !== undefined && bytes.length > 0) this.#append(bytes)
    this.#items.push(kind, id, name === '' ? 0 : this.#numberOf(name), value, this.#length)
    this.#noteOne()
  }

  /**
   * For who puts together what several callers say: it counts as one thing that is said now. `run`, which says it and must not throw,
   * is called when the message goes; without it, what one that was given before says has grown. The message may go before this
   * returns.
   */
  join(run: (() => void) | undefined): void {
    if (run !== undefined) this.#joining.push(run)
    this.#joined += 1
    this.#noteOne()
  }

  #noteOne(): void {
    this.#said += 1
    if (this.#flushDue) {
      if (this.#isGathering && this.#said >= MOST_GATHERED) this.#flushNow()
      return
    }
    this.#flushDue = true
    if (this.#callers + this.#joined > FEW_WAITING || this.#lastJoined > FEW_WAITING) this.#gather()
    else process.nextTick(this.#flushNow)
  }

  #sayLending(
    kind: number,
    id: number,
    name: string,
    value: unknown,
    bytes: Uint8Array | undefined,
    lent: Uint8Array<ArrayBuffer>,
  ): void {
    // Before the item, which may be the last one of a message.
    this.#lent ??= []
    this.#lent.push(lent)
    this.#say(kind, id, name, value, bytes)
  }

  #numberOf(name: string): number {
    let number = this.#numbers.get(name)
    if (number === undefined) {
      number = this.#numbers.size
      this.#numbers.set(name, number)
      this.#newNames ??= []
      this.#newNames.push(name)
    }
    return number
  }

  #gather(): void {
    this.#isGathering = true
    this.#gatheringSinceMs = systemClock.monotonic()
    this.#gathered = 0
    this.#lookLater()
  }

  #lookLater(): void {
    if (this.#lookDue) return
    this.#lookDue = true
    setImmediate(this.#gatherOn)
  }

  /** Runs behind each turn. Who has nothing more to say would sleep, so nobody waits for what does not come. */
  readonly #gatherOn = (): void => {
    this.#lookDue = false
    if (!this.#isGathering) return
    const said = this.#said
    const isOver = systemClock.monotonic() - this.#gatheringSinceMs >= MOST_GATHERING_MS
    if (said === this.#gathered || isOver) {
      this.#flushNow()
      return
    }
    this.#gathered = said
    this.#lookLater()
  }

  readonly #flushNow = (): void => {
    this.#isGathering = false
    this.#sayJoining()
    this.#flushDue = false
    this.#said = 0
    this.#lastJoined = this.#joined
    this.#joined = 0
    const items = this.#items
    if (items.length === 0) return
    const bytes = this.#takeBytes()
    const lent = this.#lent
    this.#items = []
    this.#lent = undefined
    if (this.#ended !== undefined) return
    try {
      this.#post(items, bytes, lent)
    } catch {
      this.#postApart(items, bytes, lent)
    }
  }

  /** Throws, and nothing has gone, where a value cannot be cloned. */
  #post(items: unknown[], bytes: Uint8Array<ArrayBuffer> | undefined, lent: Message['lent']): void {
    const message: Message = { items, bytes, lent, names: this.#newNames }
    if (lent !== undefined) {
      const memories = lent.map(({ buffer }) => buffer)
      if (bytes !== undefined) memories.push(bytes.buffer)
      this.#port.postMessage(message, memories)
    } else if (bytes === undefined) this.#port.postMessage(message)
    else this.#port.postMessage(message, [bytes.buffer])
    this.#newNames = undefined
  }

  /** Each item by itself: who said what cannot be cloned, since it is nested too deeply, hears so, and the others go. */
  #postApart(
    items: readonly unknown[],
    bytes: Uint8Array<ArrayBuffer> | undefined,
    lent: Message['lent'],
  ): void {
    let start = 0
    let lentBefore = 0
    for (let at = 0; at < items.length; at += ITEM_SIZE) {
      const item = items.slice(at, at + ITEM_SIZE)
      const [kind, id] = item as [number, number]
      const end = item[ITEM_SIZE - 1] as number
      const isLending = kind === LENDING_CALL || kind === RETURNING_ANSWER
      const memory = isLending ? [lent![lentBefore++]!] : undefined
      item[ITEM_SIZE - 1] = end - start
      try {
        this.#post(item, end > start ? bytes!.slice(start, end) : undefined, memory)
      } catch (error) {
        this.#notSaid(kind, id, error)
      }
      start = end
    }
  }

  #notSaid(kind: number, id: number, error: unknown): void {
    if (kind === ANSWER || kind === RETURNING_ANSWER) this.#refuse(id, error)
    else if (kind === CALL || kind === LENDING_CALL)
      this.#answered(REFUSAL, id, failureOf(error), undefined, undefined)
    else throw error
  }

  /** While a message is due, so that none is made due by it. */
  #sayJoining(): void {
    if (this.#joining.length === 0) return
    const joining = this.#joining
    this.#joining = []
    for (const run of joining) run()
  }

  /** Bytes to be handed over: the memory in which they are, where they fill much of it, else a copy. */
  #takeBytes(): Uint8Array<ArrayBuffer> | undefined {
    const length = this.#length
    if (length === 0) return undefined
    this.#length = 0
    this.#lastLength = length
    const bytes = this.#bytes
    if (2 * length < bytes.length) return bytes.slice(0, length)
    this.#bytes = NO_BYTES
    return bytes.subarray(0, length)
  }

  #append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length
    if (length > this.#bytes.length) this.#grow(length)
    this.#bytes.set(bytes, this.#length)
    this.#length = length
  }

  /** The next message is about as long as the last one was. */
  #grow(length: number): void {
    const expected = Math.min(this.#lastLength + this.#lastLength / 4, MOST_EXPECTED_BYTES)
    const size = Math.max(length, LEAST_BYTES, 2 * this.#length, Math.floor(expected))
    const { buffer } = Buffer.allocUnsafeSlow(size)
    const longer = new Uint8Array(buffer as ArrayBuffer)
    longer.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = longer
  }

  #receive({ items, bytes, lent, names }: Message): void {
    if (names !== undefined) this.#names.push(...names)
    let start = 0
    let lentBefore = 0
    for (let at = 0; at < items.length; at += ITEM_SIZE) {
      const kind = items[at] as number
      const id = items[at + 1] as number
      const name = items[at + 2] as number
      const value = items[at + 3]
      const end = items[at + 4] as number
      const part = end > start ? bytes!.subarray(start, end) : undefined
      start = end
      const memory = kind === LENDING_CALL || kind === RETURNING_ANSWER ? lent![lentBefore++] : undefined
      if (kind === CALL || kind === LENDING_CALL)
        this.#serve(id, this.#names[name]!, value, part ?? NO_BYTES, memory)
      else if (kind === NOTICE) this.#listeners[this.#names[name]!]?.(value)
      else if (kind === GONE) this.#serving.get(id)?.abort()
      else this.#answered(kind, id, value, part, memory)
    }
  }

  #answered(
    kind: number,
    id: number,
    value: unknown,
    bytes: Uint8Array | undefined,
    lent: Uint8Array<ArrayBuffer> | undefined,
  ): void {
    const waiting = this.#waiting.take(id)
    if (waiting === undefined) return
    this.#callers -= waiting.callers
    waiting.forget?.()
    if (kind !== REFUSAL) waiting.resolve({ result: value, bytes, lent })
    else waiting.reject(errorOf(value as Failure))
  }

  #serve(
    id: number,
    method: string,
    args: unknown,
    bytes: Uint8Array,
    lent: Uint8Array<ArrayBuffer> | undefined,
  ): void {
    const handler = this.#handlers[method]
    if (handler === undefined) {
      this.#say(REFUSAL, id, '', failureOf(new Error(`there is no call ${method}`)), undefined)
      return
    }
    const request = new ServedRequest(bytes, lent, id, this.#serving, this.#answerNow)
    let result: unknown
    try {
      result = handler(args, request)
    } catch (error) {
      if (!request.isAnswered) this.#refuse(id, error)
      return
    }
    if (!(result instanceof Promise)) {
      if (!request.isAnswered) this.#answer(id, result)
      return
    }
    result.then(
      (value) => {
        if (!request.isAnswered) this.#answer(id, value)
      },
      (error: unknown) => {
        if (!request.isAnswered) this.#refuse(id, error)
      },
    )
  }

  readonly #answerNow = (id: number, result: WithBytes): void => {
    // Nobody else has to see to it that the message goes.
    this.#flushDue = true
    this.#answer(id, result)
    this.#flushNow()
  }

  #answer(id: number, result: unknown): void {
    this.#serving.delete(id)
    if (result instanceof WithBytes) {
      const { bytes, lent } = result
      if (lent === undefined) this.#say(ANSWER, id, '', undefined, bytes)
      else this.#sayLending(RETURNING_ANSWER, id, '', undefined, bytes, lent)
    } else this.#say(ANSWER, id, '', result, undefined)
  }

  #refuse(id: number, error: unknown): void {
    this.#serving.delete(id)
    this.#say(REFUSAL, id, '', failureOf(error), undefined)
  }
}

class ServedRequest implements Request {
  readonly bytes: Uint8Array
  readonly lent: Uint8Array<ArrayBuffer> | undefined
  isAnswered = false
  readonly #id: number
  readonly #serving: Map<number, AbortController>
  readonly #answerNow: (id: number, result: WithBytes) => void
  #signal: AbortSignal | undefined

  constructor(
    bytes: Uint8Array,
    lent: Uint8Array<ArrayBuffer> | undefined,
    id: number,
    serving: Map<number, AbortController>,
    answerNow: (id: number, result: WithBytes) => void,
  ) {
    this.bytes = bytes
    this.lent = lent
    this.#id = id
    this.#serving = serving
    this.#answerNow = answerNow
  }

  answer(result: WithBytes): void {
    if (this.isAnswered) return
    this.isAnswered = true
    this.#answerNow(this.#id, result)
  }

  /**
   * To be asked for before the handler returns or first awaits. Made only for those who ask for it: most calls are over
   * before anybody could go.
   */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController()
      this.#serving.set(this.#id, controller)
      this.#signal = controller.signal
    }
    return this.#signal
  }
}
