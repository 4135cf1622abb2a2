/** The gateway with its two addresses. */
import { ConfigError } from '../config/ini.ts'
import type { DatabaseOpener } from '../server/registry.ts'
import type { Server } from '../server/server.ts'
import type { GatewayConfig } from './config.ts'
import { Gateway } from './gateway.ts'
import { type GatewayListener, listen, parseAddress } from './http/listener.ts'
import { SOCIAL_URLS } from './social/identity.ts'

export interface RunningGateway {
  /** Without a slash at the end. */
  readonly publicUrl: string
  readonly adminUrl: string
  /** Takes no new requests, lets running ones finish for `graceMs`, closes the databases. */
  stop(graceMs: number): Promise<void>
}

const LOOPBACK = /^(?:127(?:\.\d+){3}|::1|localhost)$/

/** `socialUrls` are where social networks are asked. Rejects with ConfigError, and as `listen` does. */
export async function startGateway(
  server: Server,
  opener: DatabaseOpener,
  config: GatewayConfig,
  socialUrls = SOCIAL_URLS,
): Promise<RunningGateway> {
  for (const address of [config.interface, config.adminInterface]) {
    if (parseAddress(address) === undefined) throw new ConfigError(`--gateway: no address: ${address}`)
  }
  const { log } = server
  if (config.ignored.length > 0)
    log.notice('members of the gateway configuration have no effect', { names: config.ignored.join(' ') })
  if (!LOOPBACK.test(parseAddress(config.adminInterface)!.host)) {
    log.warning(
      'the administrators of the gateway are not asked who they are, and their address is no loopback',
      {
        address: config.adminInterface,
      },
    )
  }
  const facebooks = [config.social, ...config.databases.values()].flatMap(({ facebook }) => facebook ?? [])
  if (facebooks.some(({ app_id }) => app_id === undefined)) {
    log.warning('tokens of any application of Facebook sign users of the gateway in: app_id names none')
  }
  const gateway = await Gateway.start({ server, opener, config, socialUrls })
  const listeners: GatewayListener[] = []
  const stop = async (graceMs: number): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.stop(graceMs)))
    await gateway.stop()
  }
  try {
    listeners.push(await listen({ gateway, address: config.interface, isAdmin: false }))
    listeners.push(await listen({ gateway, address: config.adminInterface, isAdmin: true }))
  } catch (error) {
    await stop(0)
    throw error
  }
  const [open, admin] = listeners
  log.info('gateway', { url: open!.url, admin: admin!.url, databases: gateway.names().length })
  return { publicUrl: open!.url, adminUrl: admin!.url, stop }
}
