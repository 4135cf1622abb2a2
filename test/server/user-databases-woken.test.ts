/** Whatever the moment in which a user's document comes, it is looked for after that. */
import t from 'tap'
import { SettingsRegistry } from '../../src/config/registry.ts'
import { EventBus } from '../../src/server/event-bus.ts'
import { UserDatabases } from '../../src/server/user-databases.ts'
import { USERS_DATABASE } from '../../src/users/user-document.ts'
import { manualClock } from '../support/manual-clock.ts'
import { recordingLog } from '../support/recording-log.ts'

const refused = (): never => {
  throw new Error('there are no users')
}

t.test('also when the look before is just ending', async (t) => {
  const { log } = recordingLog()
  for (let ticks = 0; ticks < 20; ticks++) {
    const bus = new EventBus(log)
    const settings = new SettingsRegistry({ perUserEnabled: true } as never, log)
    let looks = 0
    const databases = {
      has: () => {
        looks += 1
        return false
      },
      create: refused,
      delete: refused,
      lease: refused,
    }
    const users = new UserDatabases({ settings, databases, bus, clock: manualClock(), log })
    for (let tick = 0; tick < ticks; tick++) await undefined
    const before = looks
    bus.tell('updated', USERS_DATABASE)
    await new Promise((resolve) => setImmediate(resolve))
    t.ok(looks > before, `after ${ticks} ticks`)
    await users.close()
  }
})
