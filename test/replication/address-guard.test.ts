/** Every spelling of what only the server can reach. */
import t from 'tap'
import { AddressGuard } from '../../src/replication/http/address-guard.ts'

const guard = new AddressGuard({ hosts: ['*'], refusedNetworks: ['loopback', 'link-local', 'private'] })

t.test('addresses that stand for IPv4 ones are those', async (t) => {
  const refused = [
    '127.0.0.1',
    '0.0.0.0',
    '169.254.169.254',
    '10.1.2.3',
    '::1',
    '::',
    'fe80::1%eth0',
    'fd00::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '0:0:0:0:0:ffff:a9fe:a9fe',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b:1::10.0.0.1',
    '2002:7f00:1::',
    '2002:a00:1::1',
    '2002:a00::1',
  ]
  for (const address of refused) t.equal(guard.allows(address), false, address)
  const allowed = ['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8', '2002:808:808::1']
  for (const address of allowed) t.equal(guard.allows(address), true, address)
})

t.test('hosts in the place of addresses, as URLs write them', async (t) => {
  for (const host of [
    '2130706433',
    '0x7f.1',
    '017700000001',
    '127.1',
    '0',
    '[::ffff:127.0.0.1]',
    '127.0.0.1.',
  ]) {
    const { hostname } = new URL(`http://${host}/`)
    t.throws(() => guard.requireHost(hostname), /Only administrators/)
  }
  t.doesNotThrow(() => guard.requireHost('couch.example'))
})

t.test('names are looked at where they are connected to', async (t) => {
  const found = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    guard.lookup('localhost', {}, (error) => resolve(error))
  })
  t.match(found, { error: 'forbidden' })
})
