/**
 * The connections of all replications of a thread. Peers that are reached in the same way share them: an idle replication
 * keeps no more than the connection on which it waits.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Dispatcher } from 'undici'
import { AddressGuard, type AddressRules } from './address-guard.ts'

/** How a peer is reached. */
export interface Route {
  /** Absolute, with its credentials. */
  readonly proxy: string | undefined
  /** Undefined: every host may be reached. */
  readonly rules: AddressRules | undefined
  readonly verifiesCertificates: boolean
  /** File of trusted certificates, instead of the usual ones. */
  readonly certificates: string | undefined
  readonly timeoutMs: number
}

export interface Connection {
  readonly dispatcher: Dispatcher
  readonly guard: AddressGuard | undefined
  /** Nobody may use it any more when the last one has. */
  release(): void
}

interface Shared {
  readonly dispatcher: Dispatcher
  readonly guard: AddressGuard | undefined
  users: number
}

const KEEP_ALIVE_MS = 10_000
const MOST_KEEP_ALIVE_MS = 60_000
const MOST_HEAD_BYTES = 64 * 1024

const require = createRequire(import.meta.url)

export class Connections {
  readonly #shared = new Map<string, Shared>()

  /** Throws what reading the certificates throws, and `forbidden` for a proxy that must not be used. */
  open(route: Route): Connection {
    const key = JSON.stringify(route)
    let shared = this.#shared.get(key)
    if (shared === undefined) {
      shared = { ...connect(route), users: 0 }
      this.#shared.set(key, shared)
    }
    const opened = shared
    opened.users += 1
    let isOpen = true
    return {
      dispatcher: opened.dispatcher,
      guard: opened.guard,
      release: () => {
        if (!isOpen) return
        isOpen = false
        opened.users -= 1
        if (opened.users > 0) return
        this.#shared.delete(key)
        opened.dispatcher.destroy().catch(() => undefined)
      },
    }
  }

  /** Ends all. */
  async close(): Promise<void> {
    const all = [...this.#shared.values()]
    this.#shared.clear()
    await Promise.allSettled(all.map(({ dispatcher }) => dispatcher.destroy()))
  }
}

/** The client is loaded with the first peer: its many modules would be a good part of what a server's start costs. */
function connect(route: Route): Pick<Shared, 'dispatcher' | 'guard'> {
  const { proxy, rules, verifiesCertificates, certificates, timeoutMs } = route
  const { Agent, buildConnector, ProxyAgent, Socks5ProxyAgent } = require('undici') as typeof import('undici')
  const guard = rules === undefined ? undefined : new AddressGuard(rules)
  const tls = {
    rejectUnauthorized: verifiesCertificates,
    ...(certificates === undefined ? {} : { ca: readFileSync(certificates, 'utf8') }),
  }
  const reach = {
    timeout: timeoutMs,
    keepAlive: true,
    ...(guard === undefined ? {} : { lookup: guard.lookup }),
  }
  const common = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: MOST_KEEP_ALIVE_MS,
    maxHeaderSize: MOST_HEAD_BYTES,
    connectTimeout: timeoutMs,
  }
  if (proxy === undefined)
    return { dispatcher: new Agent({ ...common, connect: { ...tls, ...reach } }), guard }
  guard?.requireHost(new URL(proxy).hostname)
  if (new URL(proxy).protocol === 'socks5:') {
    // Not by ProxyAgent: with settings of TLS that speaks TLS with the proxy itself.
    const options = { connect: buildConnector(reach), requestTls: tls }
    return { dispatcher: new Socks5ProxyAgent(proxy, options), guard }
  }
  const dispatcher = new ProxyAgent({
    ...common,
    uri: proxy,
    proxyTls: { ...tls, ...reach },
    requestTls: { ...tls, timeout: timeoutMs },
    proxyTunnel: false,
  })
  return { dispatcher, guard }
}
