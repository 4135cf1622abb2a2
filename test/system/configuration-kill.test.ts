/** The server's own process is killed while requests change its configuration: the file is the old one or the new. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { parseIni } from '../../src/config/ini.ts'
import { HttpClient } from '../support/http-client.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'
import { startServerProcess } from '../support/server-process.ts'

const KILLS = 8
const COMMENT = '; of the one who keeps the server'

t.setTimeout(300_000)

t.test(`${KILLS} kills while the configuration is changed`, async (t) => {
  const random = new Random(propertySeed(t))
  const dataDir = t.testdir({ 'local.ini': `${COMMENT}\n[x]\nfirst = 0\n` })
  const path = join(dataDir, 'local.ini')
  /** Number of the last change that was answered, and of the last that was sent. */
  let answered = 0
  let sent = 0
  for (let round = 1; round <= KILLS; round++) {
    const server = startServerProcess({ dataDir, environment: { DAVENPORT_DAVENPORT__THREADS: '0' } })
    const client = new HttpClient(await server.port)
    if (round > 1) {
      const all = await client.json<Record<string, string>>('GET', '/_node/_local/_config/x')
      const last = Number(all['last'] ?? 0)
      t.ok(last >= answered && last <= sent, `${last} of ${answered} to ${sent} in round ${round}`)
      answered = last
      sent = last
    }
    const until = answered + 3 + random.int(40)
    let killing: Promise<void> | undefined
    for (;;) {
      sent += 1
      if (sent === until) killing = setTimeout(random.int(6)).then(() => server.kill())
      const reply = await client
        .send('PUT', '/_node/_local/_config/x/last', JSON.stringify(String(sent)))
        .catch(() => undefined)
      if (reply === undefined) break
      t.equal(reply.status, 200)
      answered = sent
    }
    await killing
    const text = await readFile(path, 'utf8')
    t.ok(text.startsWith(`${COMMENT}\n[x]\nfirst = 0\n`), 'whole from its first line')
    const entries = parseIni(text, path)
    const last = Number(entries.find(({ key }) => key === 'last')?.value)
    t.ok(last >= answered && last <= sent, `the file has ${last} of ${answered} to ${sent}`)
    t.match(entries, [{ key: 'first', value: '0' }, { key: 'last' }])
  }
  const names = (await readdir(dataDir)).filter((name) => name.startsWith('local.ini'))
  t.ok(names.includes('local.ini'), names.join())
})
