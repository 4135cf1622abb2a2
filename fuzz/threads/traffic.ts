/**
 * The connections of a run: each request has an answer within its limit, an answer is what the protocol allows, and only
 * those are cut that the run itself cut. `over` tells clients that the load has ended.
 */
import { Agent, type IncomingMessage, type RequestOptions, request } from 'node:http'
import { systemClock } from '../../src/base/clock.ts'
import type { Random } from '../../test/support/random.ts'
import { ADMIN } from '../../test/support/server-process.ts'

const LIMIT_MS = 30_000
const RECONNECT_MS = 20
const SHOWN_BYTES = 300
const AUTHORIZATION = `Basic ${Buffer.from(ADMIN).toString('base64')}`

export interface Reply {
  readonly status: number
  readonly bytes: Buffer
}

export interface Cut {
  readonly what: string
  /** Undefined where no connection came about. */
  readonly port: number | undefined
  /** When it was begun, since the epoch. */
  readonly begunMs: number
  /** Whether the process was being ended. */
  readonly expected: boolean
}

export class Traffic {
  /** Of the server that runs now. */
  port = 0
  /** The load has ended. */
  over = false
  /** The process is being ended: whatever is cut now may be. */
  ending = false
  cuts: Cut[] = []
  requests = 0
  refused = 0
  longestMs = 0

  /** Waits for the next server, where this one is being ended. */
  async reconnect(): Promise<void> {
    do await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
    while (this.ending && !this.over)
  }

  noteCut(what: string, port: number | undefined, begunMs: number): void {
    this.cuts.push({ what, port, begunMs, expected: this.ending })
  }
}

export interface AskOptions {
  readonly body?: unknown
  readonly type?: string
  /** Without credentials. */
  readonly anonymous?: boolean
}

export function parsed<T>(reply: Reply): T {
  return JSON.parse(reply.bytes.toString('utf8')) as T
}

export function shown(reply: Reply): string {
  return `${reply.status} ${reply.bytes.toString('utf8', 0, SHOWN_BYTES)}`
}

/** One client with one keep-alive connection and one request at a time. */
export class Client {
  readonly #traffic: Traffic
  #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  #port: number | undefined
  /** Of the connection. */
  #begunMs = 0

  constructor(traffic: Traffic) {
    this.#traffic = traffic
  }

  /** Undefined when the connection was cut, or the server said that it stops: what became of the request is not known. */
  async ask(method: string, path: string, options: AskOptions = {}): Promise<Reply | undefined> {
    const traffic = this.#traffic
    const what = `${method} ${path}`
    const begunMs = systemClock.now()
    traffic.requests += 1
    let reply: Reply
    try {
      reply = await this.#exchange(method, path, options, AbortSignal.timeout(LIMIT_MS))
    } catch (error) {
      if (systemClock.now() - begunMs >= LIMIT_MS) throw new Error(`${what} hangs`, { cause: error })
      traffic.noteCut(`${what}: ${(error as Error).message}`, this.#port, this.#begunMs)
      this.renew()
      await traffic.reconnect()
      return undefined
    }
    traffic.longestMs = Math.max(traffic.longestMs, systemClock.now() - begunMs)
    if (reply.status === 503 && traffic.ending) return undefined
    if (reply.status >= 500) throw new Error(`${what}: ${shown(reply)}`)
    return reply
  }

  /** The same where the answer must be JSON; its status is the caller's to judge. */
  async json<T>(method: string, path: string, options: AskOptions = {}) {
    const reply = await this.ask(method, path, options)
    if (reply === undefined) return undefined
    try {
      return { status: reply.status, body: parsed<T>(reply), text: shown(reply) }
    } catch (error) {
      throw new Error(`${method} ${path}: no JSON: ${shown(reply)}`, { cause: error })
    }
  }

  async #exchange(method: string, path: string, options: AskOptions, signal: AbortSignal): Promise<Reply> {
    const response = await this.open(method, path, options, signal)
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    if (!response.complete) throw new Error('the answer was cut off')
    return { status: response.statusCode!, bytes: Buffer.concat(chunks) }
  }

  /** Resolves with the head of the answer. */
  open(
    method: string,
    path: string,
    { body, type = 'application/json', anonymous = false }: AskOptions,
    signal?: AbortSignal,
  ): Promise<IncomingMessage> {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    const headers: Record<string, string> = anonymous ? {} : { authorization: AUTHORIZATION }
    if (bytes !== undefined) {
      headers['content-type'] = type
      headers['content-length'] = String(Buffer.byteLength(bytes))
    }
    const options: RequestOptions = { agent: this.#agent, host: '127.0.0.1', port: this.#traffic.port }
    const limit = signal === undefined ? {} : { signal }
    this.#port = undefined
    return new Promise((resolve, reject) => {
      const sent = request({ ...options, ...limit, method, path, headers })
      sent.on('socket', (socket) => {
        const note = (): void => {
          this.#port = socket.localPort
        }
        if (socket.connecting) {
          this.#begunMs = systemClock.now()
          socket.once('connect', note)
        } else note()
      })
      sent.on('response', resolve)
      sent.on('error', reject)
      sent.end(bytes)
    })
  }

  /** The port of the connection that was used last. */
  get localPort(): number | undefined {
    return this.#port
  }

  /** When that connection was begun, since the epoch. */
  get begunMs(): number {
    return this.#begunMs
  }

  /** The next request goes over another connection, perhaps to another front. */
  renew(): void {
    this.#agent.destroy()
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 })
  }

  maybeRenew(random: Random): void {
    if (random.bool(0.08)) this.renew()
  }

  close(): void {
    this.#agent.destroy()
  }
}
