/**
 * `_changes` over a WebSocket. A request for one is signed in and checked as any other before it is taken. The client's first
 * message has the options; then rows go out, in lists of a few, an empty list once when everything so far was sent, and an empty
 * message whenever it is again, and as heartbeat. With `accept_encoding: gzip` long messages are pieces of one gzip stream.
 */
import { type Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { constants, createGzip, type Gzip } from 'node:zlib'
import type { WebSocket } from 'ws'
import { describeError } from '../../base/log.ts'
import { type Upgrade, upgradesOf, type Websockets } from '../../http/listen/upgrades.ts'
import { GONE } from '../../http/request/gone-signal.ts'
import { ChangeWait } from '../changes/change-wait.ts'
import { pulseOf } from '../changes/changes-feed.ts'
import { type ChangesOptions, optionsOfMessage, optionsOfRequest } from '../changes/changes-options.ts'
import { ChangesPasses } from '../changes/changes-pass.ts'
import { GatewayError } from '../errors.ts'
import type { Gateway } from '../gateway.ts'
import { admit, exchangeOf, failed, pathOf, SERVER_TOKEN } from './admission.ts'
import type { Exchange } from './exchange.ts'
import { resolve } from './routes.ts'

const MOST_ROWS = 20
const OPTIONS_TIMEOUT_MS = 60_000
/** A client that takes nothing for so long is cut off. */
const STALL_MS = 300_000
const LEAST_PACKED_BYTES = 9
const DONE = 1000
const LINGER_MS = 2000

export function serveWebsockets(
  server: Server,
  gateway: Gateway,
  isAdmin: boolean,
  stopping: AbortSignal,
): Websockets {
  return upgradesOf(server, (upgrade) => void accept(gateway, isAdmin, upgrade, stopping))
}

/** Never rejects. */
async function accept(
  gateway: Gateway,
  isAdmin: boolean,
  { request, socket, take }: Upgrade,
  stopping: AbortSignal,
): Promise<void> {
  const gone = new AbortController()
  const leave = (): void => gone.abort(GONE)
  socket.once('close', leave)
  stopping.addEventListener('abort', leave)
  const response = new ServerResponse(request)
  const exchange = exchangeOf(gateway, isAdmin, request, response, gone.signal)
  try {
    let defaults: ChangesOptions
    try {
      defaults = await admitted(exchange)
    } catch (error) {
      refuse(exchange, socket, error)
      return
    }
    if (socket.destroyed) return
    const client = await take()
    if (client !== undefined) await serve(exchange, client, defaults)
  } catch (error) {
    gateway.log.error('a WebSocket of the gateway broke off', { error: describeError(error) })
    socket.destroy()
  } finally {
    exchange.visit?.()
    exchange.hold.release()
    stopping.removeEventListener('abort', leave)
  }
}

/** Throws what the feed without a WebSocket would be answered with, 400 for all else. */
async function admitted(exchange: Exchange): Promise<ChangesOptions> {
  const { gateway, request, isAdmin, query } = exchange
  const resolved = resolve(pathOf(request), isAdmin)
  if (resolved === undefined || resolved.redirect !== undefined) throw new GatewayError(404, 'unknown URL')
  exchange.params = resolved.params
  const isFeed = pathOf(request).endsWith('/_changes') && query.get('feed') === 'websocket'
  await admit(exchange, resolved.route)
  if (!isFeed || request.method !== 'GET')
    throw new GatewayError(400, 'Only _changes?feed=websocket speaks WebSocket')
  requireOwnOrigin(exchange)
  exchange.followerNow()
  return optionsOfRequest(query, undefined, gateway.config.maxHeartbeatSeconds)
}

/** Browsers send cookies with WebSockets of any page and ask nobody. */
function requireOwnOrigin({ gateway, request }: Exchange): void {
  const { origin, host } = request.headers
  if (origin === undefined) return
  if (URL.canParse(origin) && new URL(origin).host === host) return
  const allowed = gateway.config.cors?.Origin ?? []
  if (!allowed.includes(origin) && !allowed.includes('*'))
    throw new GatewayError(403, 'This origin may not open a WebSocket')
}

function refuse(exchange: Exchange, socket: Socket, error: unknown): void {
  const { response } = exchange
  const { status, headers, body = '' } = failed(exchange, error)
  response.assignSocket(socket)
  response.shouldKeepAlive = false
  response.setHeader('Server', SERVER_TOKEN)
  // Who has read the answer closes; who does not is closed.
  socket.setTimeout(LINGER_MS, () => socket.end())
  response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

async function serve(exchange: Exchange, client: WebSocket, defaults: ChangesOptions): Promise<void> {
  const { gateway, database, followerNow, gone } = exchange
  const text = await firstMessage(client, gone)
  if (text === undefined) return
  let options: ChangesOptions
  try {
    options = optionsOfMessage(text, defaults, gateway.config.maxHeartbeatSeconds)
  } catch {
    client.close(DONE)
    return
  }
  const messages = new Messages(client, options.compresses)
  const { clock } = gateway
  const pulse = pulseOf(options.heartbeatMs, clock)
  const passes = new ChangesPasses(database, followerNow, options, gone, pulse)
  const wait = new ChangeWait(database, passes.watched, gone)
  let endMs = clock.monotonic() + options.timeoutMs
  const send = async (text: string): Promise<void> => {
    await messages.send(text)
    pulse.beaten()
  }
  try {
    let isCurrent = false
    while (messages.isOpen) {
      wait.begin()
      let any = false
      for (
        let rows = await passes.take(MOST_ROWS);
        (rows.length > 0 || passes.isBetween) && messages.isOpen;
        rows = await passes.take(MOST_ROWS)
      ) {
        if (rows.length === 0) {
          await send('')
          continue
        }
        any = true
        await send(`[${rows.join(',')}]`)
      }
      if (passes.isExhausted) break
      if (!isCurrent) await send('[]')
      if (isCurrent ? any : !any) await send('')
      if (any) endMs = clock.monotonic() + options.timeoutMs
      isCurrent = true
      let wakeup = await wait.next(leftMs(options, endMs - clock.monotonic()), pulse)
      while (wakeup === 'beat' && messages.isOpen) {
        await send('')
        wakeup = await wait.next(leftMs(options, endMs - clock.monotonic()), pulse)
      }
      if (wakeup === 'gone' || wakeup === 'timeout') break
    }
    client.close(DONE)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    client.close(DONE)
  } finally {
    wait.stop()
    messages.close()
  }
}

function leftMs({ timeoutMs }: ChangesOptions, left: number): number | undefined {
  return timeoutMs === 0 ? undefined : left
}

/** Undefined when the client has gone, or nothing comes in time. */
function firstMessage(client: WebSocket, gone: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const finish = (text: string | undefined): void => {
      clearTimeout(timer)
      gone.removeEventListener('abort', onGone)
      resolve(text)
    }
    const onGone = (): void => {
      client.close(DONE)
      finish(undefined)
    }
    const timer = setTimeout(onGone, OPTIONS_TIMEOUT_MS)
    gone.addEventListener('abort', onGone, { once: true })
    client.once('close', () => finish(undefined))
    client.once('message', (data) => finish(String(data)))
    if (gone.aborted) onGone()
  })
}

/** Messages on their way out, one after the other. */
class Messages {
  readonly #client: WebSocket
  readonly #packer: Gzip | undefined
  #packed: Buffer[] = []

  constructor(client: WebSocket, compresses: boolean) {
    this.#client = client
    this.#packer = compresses ? createGzip() : undefined
    this.#packer?.on('data', (chunk: Buffer) => this.#packed.push(chunk))
    this.#packer?.on('error', () => client.terminate())
  }

  get isOpen(): boolean {
    return this.#client.readyState === this.#client.OPEN
  }

  /** Resolves when the socket has taken it, or when the client has gone. */
  async send(text: string): Promise<void> {
    const isPacked = this.#packer !== undefined && Buffer.byteLength(text) >= LEAST_PACKED_BYTES
    const data = isPacked ? await this.#pack(this.#packer!, text) : text
    await new Promise<void>((resolve) => {
      const stalled = setTimeout(() => this.#client.terminate(), STALL_MS)
      this.#client.send(data, { binary: isPacked }, () => {
        clearTimeout(stalled)
        resolve()
      })
    })
  }

  close(): void {
    this.#packer?.destroy()
  }

  #pack(packer: Gzip, text: string): Promise<Buffer> {
    return new Promise((resolve) => {
      packer.once('close', () => resolve(Buffer.alloc(0)))
      packer.write(text)
      packer.flush(constants.Z_SYNC_FLUSH, () => {
        const data = Buffer.concat(this.#packed)
        this.#packed = []
        packer.removeAllListeners('close')
        resolve(data)
      })
    })
  }
}
