/** A server with a gateway, in this process or in one of its own, and requests to it. */
import { Agent, request } from 'node:http'
import { systemClock } from '../../src/base/clock.ts'
import { createLog } from '../../src/base/log.ts'
import { EXIT } from '../../src/cli/parts.ts'
import { RestartableServer } from '../../src/cli/restartable-server.ts'
import { withLocalFile } from '../../src/cli/serve.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { readGatewayConfig } from '../../src/gateway/config.ts'
import type { SocialUrls } from '../../src/gateway/social/identity.ts'
import { startGateway } from '../../src/gateway/start-gateway.ts'

export interface GatewayAnswer {
  status: number
  /** By names in lower case; null where there is none. */
  headers: { get(name: string): string | null }
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
  readonly #server: RestartableServer

  private constructor(server: RestartableServer) {
    this.#server = server
  }

  /**
   * `settings` by their names in the environment; by default there are no threads. `social` are where social networks are asked, and
   * `log` gets the lines of the log; without it there is none.
   */
  static async start(
    dataDir: string,
    config: Record<string, unknown> = {},
    settings: Record<string, string> = {},
    { social, log: write }: { social?: SocialUrls; log?: (line: string) => void } = {},
  ): Promise<GatewayServer> {
    const addresses = { interface: '127.0.0.1:0', adminInterface: '127.0.0.1:0' }
    const environment = {
      DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2',
      DAVENPORT_DAVENPORT__THREADS: '0',
      ...settings,
    }
    const flags = { dataDir, port: '0', admins: ['admin:secret'] }
    const log = createLog({
      level: 'none',
      write: write ?? (() => undefined),
      now: () => systemClock.now(),
    })
    const running = await RestartableServer.start({
      load: () => withLocalFile({ environment, flags }),
      readConfigFile: async () => '',
      readGatewayFile: async () => JSON.stringify({ ...addresses, ...config }),
      parts: {
        ...systemParts,
        startGateway: (server, opener, text) => startGateway(server, opener, readGatewayConfig(text), social),
      },
      log,
      levelOf: () => (write === undefined ? 'none' : 'debug'),
    })
    return new GatewayServer(running)
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

  async stop(): Promise<void> {
    if ((await this.#server.stop(1000)) !== EXIT.ok) throw new Error('the server did not stop cleanly')
  }
}

/** By Node's own client: `fetch` costs several times as much, of which runs of random requests are made. */
export function send(
  url: string,
  line: string,
  { as, body, text, headers }: GatewayRequest,
): Promise<GatewayAnswer> {
  const [method, path] = line.split(' ')
  const sent: Record<string, string> = { accept: 'application/json', ...headers }
  if (as !== undefined) sent['authorization'] = `Basic ${Buffer.from(as).toString('base64')}`
  if (body !== undefined) sent['content-type'] ??= 'application/json'
  else if (typeof text === 'string') sent['content-type'] ??= 'text/plain;charset=UTF-8'
  const content = body === undefined ? text : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const asked = request(url + path, { method: method!, headers: sent, agent: AGENT }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const answered = Buffer.concat(chunks).toString()
        resolve({
          status: response.statusCode!,
          headers: { get: (name) => headerText(response.headers[name]) },
          text: answered,
          json: parsed(answered),
        })
      })
    })
    asked.on('error', reject)
    asked.end(content)
  })
}

const AGENT = new Agent({ keepAlive: true })

function headerText(header: string | string[] | undefined): string | null {
  return Array.isArray(header) ? header.join(', ') : (header ?? null)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
