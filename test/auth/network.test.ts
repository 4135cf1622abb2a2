import t from 'tap'
import { networkOf } from '../../src/auth/network.ts'

const NETWORKS: [address: string, network: string][] = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['2001:db8:1:2:3::6', '2001:db8:1:2'],
  ['::1', '0:0:0:0'],
  ['::', '0:0:0:0'],
  ['', ''],
]

t.test('an address of IPv6 stands for the 64 bits that are one owner', async (t) => {
  for (const [address, network] of NETWORKS) t.equal(networkOf(address), network, address)
})
