/**
 * Which hosts a replication may reach: whoever is no administrator of the server must not use it to reach what only the server
 * can (server-side request forgery). What holds:
 * - An address is looked at where it is connected to: a name cannot be one address when it is checked and another one then.
 * - That is so for every connection, those that a redirect leads to and those to a proxy included. What a proxy reaches is its own
 *   matter.
 */
import { lookup as resolveName } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { ReplicationError } from '../api.ts'

const LOOPBACK = ['127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128']
const LINK_LOCAL = ['169.254.0.0/16', 'fe80::/10']
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7']
const WORDS: Readonly<Record<string, readonly string[]>> = {
  loopback: LOOPBACK,
  'link-local': LINK_LOCAL,
  private: PRIVATE,
}
/**
 * IPv4 addresses within IPv6 ones, as URLs write them: compatible, mapped and translated (RFC 4291, 2765, 6052, 8215) at their end;
 * of 6to4 (RFC 3056) behind the prefix.
 */
const EMBEDDED = /^(?:::|::ffff:|::ffff:0:|64:ff9b::|64:ff9b:1::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/
const SIX_TO_FOUR = /^2002:([0-9a-f]{1,4}):([0-9a-f]{0,4}):/

export interface AddressRules {
  /** Names of hosts, with `*` for any part. */
  readonly hosts: readonly string[]
  /** `loopback`, `link-local`, `private`, or blocks of addresses. */
  readonly refusedNetworks: readonly string[]
}

export class AddressGuard {
  readonly #hosts: readonly RegExp[]
  readonly #refused = new BlockList()

  constructor({ hosts, refusedNetworks }: AddressRules) {
    this.#hosts = hosts.map(patternOf)
    for (const block of refusedNetworks.flatMap((each) => WORDS[each] ?? [each])) {
      const [address, bits] = block.split('/') as [string, string]
      this.#refused.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4')
    }
  }

  /** Throws `forbidden` for the name of a host, or an address in its place, that must not be reached. */
  requireHost(hostname: string): void {
    const host = hostname
      .replace(/^\[|\]$/g, '')
      .replace(/\.$/, '')
      .toLowerCase()
    if (!this.#hosts.some((pattern) => pattern.test(host)) || (isIP(host) !== 0 && !this.allows(host))) {
      throw refusal(host)
    }
  }

  allows(address: string): boolean {
    const plain = plainAddress(address)
    return !this.#refused.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
  }

  /** As `dns.lookup`, without the addresses that are refused. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, [])
      const allowed = found.filter(({ address }) => this.allows(address))
      if (allowed.length === 0) return callback(refusal(hostname), [])
      if (options.all === true) return callback(null, allowed)
      const [first] = allowed
      callback(null, first!.address, first!.family)
    })
  }
}

function patternOf(host: string): RegExp {
  const text = host
    .toLowerCase()
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
  return new RegExp(`^${text}$`)
}

/** One spelling of the address, and IPv4 where it is within IPv6. */
function plainAddress(address: string): string {
  if (isIP(address) !== 6) return address
  const [bare] = address.split('%') as [string]
  const short = new URL(`http://[${bare}]/`).hostname.slice(1, -1)
  const hex = EMBEDDED.exec(short) ?? SIX_TO_FOUR.exec(short)
  if (hex === null) return short
  const [high, low] = [Number.parseInt(hex[1]!, 16), Number.parseInt(hex[2]! || '0', 16)]
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function refusal(host: string): ReplicationError {
  return new ReplicationError({
    error: 'forbidden',
    reason: `Only administrators may replicate with the host ${host}.`,
    status: 403,
    isTransient: false,
  })
}
