/** Bits that one owner of IPv6 addresses chooses freely are not looked at: a network has 64 of its own. */
const NETWORK_GROUPS = 4
const GROUPS = 8

/** A name for the addresses that are one owner's, as far as can be told from one of them. */
export function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)
  if (mapped !== null) return mapped[1]!
  if (!address.includes(':')) return address
  const [head, tail] = address.split('::') as [string, string | undefined]
  const before = head.split(':').filter((group) => group !== '')
  const after = tail?.split(':').filter((group) => group !== '') ?? []
  const zeros = new Array<string>(Math.max(0, GROUPS - before.length - after.length)).fill('0')
  return [...before, ...(tail === undefined ? [] : zeros), ...after].slice(0, NETWORK_GROUPS).join(':')
}
