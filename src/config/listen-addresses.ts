/** Where a server with some settings listens. */
import type { SettingsRegistry } from './registry.ts'

export interface PortAddress {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Of `::`: the addresses of IPv4 are listened on beside it. */
  readonly ipv6Only: boolean
}

/** A Unix socket. */
export interface PathAddress {
  readonly path: string
  /** Of its file. */
  readonly mode: number
}

export type ListenAddress = (PortAddress | PathAddress) & { readonly isSecure: boolean }

const EVERY_IPV4 = '0.0.0.0'

/** The first is one of a port without TLS. */
export function listenAddresses(
  settings: Pick<SettingsRegistry, 'get'>,
): [PortAddress & { isSecure: boolean }, ...ListenAddress[]] {
  const bound = settings.get('bindAddress')
  const [first, ...more] = ports(bound, settings.get('port'), false)
  const secure = settings.get('sslEnabled')
    ? ports(settings.get('sslBindAddress') ?? bound, settings.get('sslPort'), true)
    : []
  const path = settings.get('unixSocket')
  const mode = Number.parseInt(settings.get('unixSocketMode'), 8)
  return [first!, ...more, ...secure, ...(path === undefined ? [] : [{ path, mode, isSecure: false }])]
}

function ports(hosts: readonly string[], port: number, isSecure: boolean) {
  const ipv6Only = hosts.includes(EVERY_IPV4)
  return hosts.map((host) => ({ host, port, ipv6Only, isSecure }))
}

/** Whether all of its clients are on this machine. */
export function isLocal(address: ListenAddress): boolean {
  return 'path' in address || /^127\./.test(address.host) || address.host === '::1'
}
