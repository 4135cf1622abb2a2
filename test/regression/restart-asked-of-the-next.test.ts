/**
 * A server that is started anew may take requests before all of it is open. A restart that is asked of it then is another one: it
 * must not be taken for the one that opens it.
 */
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { createLog } from '../../src/base/log.ts'
import { EXIT, type Parts } from '../../src/cli/parts.ts'
import { RestartableServer } from '../../src/cli/restartable-server.ts'
import { withLocalFile } from '../../src/cli/serve.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { until } from '../support/until.ts'

t.test('who asks the next server to start anew is not forgotten', async (t) => {
  const flags = { dataDir: t.testdir(), port: '0', admins: ['admin:secret'] }
  const environment = { DAVENPORT_DAVENPORT__THREADS: '0', DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2' }
  let openings = 0
  const parts: Parts = {
    ...systemParts,
    async startHttp(server) {
      const listener = await systemParts.startHttp(server)
      openings += 1
      // It takes requests now, and the restart that opened it has not ended.
      if (openings === 2) await server.node.restart()
      return listener
    },
  }
  const running = await RestartableServer.start({
    load: () => withLocalFile({ environment, flags }),
    readConfigFile: async () => '',
    parts,
    log: createLog({ level: 'none', write: () => undefined, now: () => systemClock.now() }),
    levelOf: () => 'none',
  })
  const first = running.server
  await Promise.all([first.node.restart(), first.node.restart()])
  await until('it was opened three times', async () => openings === 3)
  t.equal(await running.stop(), EXIT.ok)
  t.equal(openings, 3, 'who asked the first one twice has asked for one restart')
})
