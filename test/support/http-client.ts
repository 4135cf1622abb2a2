/** One client with one keep-alive connection, which sends one request at a time. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { ADMIN } from './server-process.ts'

export interface ClientReply {
  status: number
  text: string
}

export interface BytesReply {
  status: number
  bytes: Buffer
}

export class HttpClient {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })
  readonly #authorization = `Basic ${Buffer.from(ADMIN).toString('base64')}`

  constructor(port: number) {
    this.#port = port
  }

  /** `json` is sent as it is where it is a string or bytes. Rejects when the connection breaks before the answer's end. */
  async send(method: string, path: string, json?: unknown, type?: string): Promise<ClientReply> {
    const { status, bytes } = await this.bytes(method, path, json, type)
    return { status, text: bytes.toString('utf8') }
  }

  /** As `send`, with the answer's body as it came. */
  async bytes(method: string, path: string, json?: unknown, type?: string): Promise<BytesReply> {
    const response = await this.open(method, path, json, type)
    const chunks: Buffer[] = []
    for await (const chunk of response) chunks.push(chunk as Buffer)
    if (!response.complete) throw new Error('the answer was cut off')
    return { status: response.statusCode!, bytes: Buffer.concat(chunks) }
  }

  /** The answer as JSON. Rejects for a status of 400 and above. */
  async json<T>(method: string, path: string, json?: unknown): Promise<T> {
    const { status, text } = await this.send(method, path, json)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`)
    return JSON.parse(text) as T
  }

  /** Resolves with the head of the answer; its body is the caller's to read. */
  open(method: string, path: string, json?: unknown, type = 'application/json'): Promise<IncomingMessage> {
    const isReady = json === undefined || typeof json === 'string' || Buffer.isBuffer(json)
    const body = isReady ? json : JSON.stringify(json)
    const headers: Record<string, string> = { authorization: this.#authorization }
    if (body !== undefined) {
      headers['content-type'] = type
      headers['content-length'] = String(Buffer.byteLength(body))
    }
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: this.#port, agent: this.#agent, method, path, headers })
      sent.on('response', resolve)
      sent.on('error', reject)
      sent.end(body)
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
