/** Where a server with some settings listens. */
import type { SettingsRegistry } from './registry.ts'
import type { SettingName } from './settings.ts'

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
/** Of both kinds, unless it is said to be for IPv6 alone. */
const EVERY = '::'

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

/** Settings that say where is listened. */
export const LISTENING_SETTINGS: readonly SettingName[] = [
  'bindAddress',
  'port',
  'sslEnabled',
  'sslBindAddress',
  'sslPort',
  'metricsPortEnabled',
  'metricsAddress',
  'metricsPort',
]

/** A port address and the settings that it is of. */
export interface NamedAddress extends PortAddress {
  readonly section: 'chttpd' | 'ssl' | 'prometheus'
}

/** Every port that is listened on, that of Prometheus among them. */
export function portAddresses(settings: Pick<SettingsRegistry, 'get'>): NamedAddress[] {
  const named: NamedAddress[] = []
  for (const address of listenAddresses(settings)) {
    if ('host' in address) named.push({ ...address, section: address.isSecure ? 'ssl' : 'chttpd' })
  }
  if (settings.get('metricsPortEnabled')) {
    const host = settings.get('metricsAddress')
    named.push({ host, port: settings.get('metricsPort'), ipv6Only: false, section: 'prometheus' })
  }
  return named
}

/** Two of these addresses that nobody can listen on both; undefined where there are none. */
export function clash(addresses: readonly NamedAddress[]): [NamedAddress, NamedAddress] | undefined {
  for (const [at, one] of addresses.entries()) {
    const other = addresses.slice(at + 1).find((each) => isClash(one, each))
    if (other !== undefined) return [one, other]
  }
  return undefined
}

function isClash(one: NamedAddress, other: NamedAddress): boolean {
  // Where any free port will do, those of one section have the same, and others another one.
  if (one.port !== other.port || (one.port === 0 && one.section !== other.section)) return false
  return one.host === other.host || isWithin(one, other) || isWithin(other, one)
}

/** Whether `wide` stands for every address of the kind that `address` is of. */
function isWithin(address: PortAddress, wide: PortAddress): boolean {
  const isIPv4 = !address.host.includes(':')
  return isIPv4 ? wide.host === EVERY_IPV4 || (wide.host === EVERY && !wide.ipv6Only) : wide.host === EVERY
}

/** Whether all of its clients are on this machine. */
export function isLocal(address: ListenAddress): boolean {
  return 'path' in address || /^127\./.test(address.host) || address.host === '::1'
}
