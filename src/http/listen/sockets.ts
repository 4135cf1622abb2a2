/** Sockets that a server listens on beside its first. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { ListenAddress } from '../../config/listen-addresses.ts'
import { type Descriptor, takeDescriptor } from '../request/options.ts'
import { listenOnFile } from './socket-file.ts'

export interface ListeningServer {
  /** `scheme://host:port`, or `unix:PATH`; undefined for a descriptor of a Unix socket. */
  readonly url: string | undefined
  readonly port: number | undefined
  /** Takes no new connections. Resolves when the last one has ended. */
  close(): Promise<void>
}

export interface Listening {
  /** Those that may wait to be taken. */
  backlog: number
  onConnection(socket: Socket): void
  /** A connection could not be taken. */
  onError(error: Error): void
}

/** Rejects as `listen` does. */
export async function listenOn(
  address: (ListenAddress | Descriptor) & { isSecure: boolean },
  { backlog, onConnection, onError }: Listening,
): Promise<ListeningServer> {
  // As Node's own server of HTTP has them.
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onConnection)
  let forget = async (): Promise<void> => undefined
  if ('path' in address) {
    const file = await listenOnFile(server, address, backlog)
    forget = () => file.remove()
  } else {
    if ('fd' in address) takeDescriptor(address)
    server.listen('fd' in address ? { fd: address.fd } : { ...address, backlog })
    await once(server, 'listening')
  }
  server.on('error', onError)
  const { url, port } = namesOf(server, address)
  return {
    url,
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await forget()
      await closed
    },
  }
}

function namesOf(
  server: Server,
  address: (ListenAddress | Descriptor) & { isSecure: boolean },
): { url: string | undefined; port: number | undefined } {
  if ('path' in address) return { url: `unix:${address.path}`, port: undefined }
  const info = server.address() as AddressInfo | string | null
  if (info === null || typeof info === 'string') return { url: undefined, port: undefined }
  return { url: urlOf(info, address.isSecure), port: info.port }
}

/** Without a slash. */
export function urlOf({ address, port, family }: AddressInfo, isSecure: boolean): string {
  return `${isSecure ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}

/** An address whose port is the one that was taken before, where it may be any. */
export function withPort<A extends object>(address: A, taken: number | undefined): A {
  return 'port' in address && address.port === 0 && taken !== undefined
    ? { ...address, port: taken }
    : address
}
