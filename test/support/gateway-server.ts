/** A server with a gateway, in this process or in one of its own, and requests to it. */
import { type RunningServer, startServer } from '../../src/cli/start-server.ts'

export interface GatewayAnswer {
  status: number
  headers: Headers
  text: string
  /** Undefined for what is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects is what it looks for
  json: any
}

export interface GatewayRequest {
  /** `name:password`; undefined: nobody. */
  as?: string | undefined
  body?: unknown
  text?: string | Uint8Array<ArrayBuffer>
  headers?: Record<string, string>
}

export class GatewayServer {
  readonly #server: RunningServer

  private constructor(server: RunningServer) {
    this.#server = server
  }

  /** `settings` by their names in the environment; by default there are no threads. */
  static async start(
    dataDir: string,
    config: Record<string, unknown> = {},
    settings: Record<string, string> = {},
  ): Promise<GatewayServer> {
    return new GatewayServer(
      await startServer({
        dataDir,
        port: 0,
        admins: ['admin:secret'],
        gateway: JSON.stringify({ interface: '127.0.0.1:0', adminInterface: '127.0.0.1:0', ...config }),
        settings: { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2', DAVENPORT_DAVENPORT__THREADS: '0', ...settings },
      }),
    )
  }

  get publicUrl(): string {
    return this.#server.gateway!.publicUrl
  }

  get adminUrl(): string {
    return this.#server.gateway!.adminUrl
  }

  /** The server that the gateway is beside. */
  get url(): string {
    return this.#server.url
  }

  /** `line` is `METHOD /path`. */
  ask(line: string, request: GatewayRequest = {}): Promise<GatewayAnswer> {
    return send(this.publicUrl, line, request)
  }

  admin(line: string, request: GatewayRequest = {}): Promise<GatewayAnswer> {
    return send(this.adminUrl, line, request)
  }

  stop(): Promise<void> {
    return this.#server.stop(1000)
  }
}

export async function send(
  url: string,
  line: string,
  { as, body, text, headers }: GatewayRequest,
): Promise<GatewayAnswer> {
  const [method, path] = line.split(' ')
  const sent: Record<string, string> = { accept: 'application/json', ...headers }
  if (as !== undefined) sent['authorization'] = `Basic ${Buffer.from(as).toString('base64')}`
  if (body !== undefined) sent['content-type'] ??= 'application/json'
  const content = body === undefined ? text : JSON.stringify(body)
  const response = await fetch(url + path, {
    method: method!,
    headers: sent,
    redirect: 'manual',
    ...(content === undefined ? {} : { body: content }),
  })
  const answered = await response.text()
  return { status: response.status, headers: response.headers, text: answered, json: parsed(answered) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
