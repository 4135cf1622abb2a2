import t from 'tap'
import { createLog } from '../../src/base/log.ts'

t.test('one line of JSON an event, from the level on', async (t) => {
  const lines: string[] = []
  const log = createLog({ level: 'notice', write: (line) => lines.push(line), now: () => 0 })
  log.debug('d')
  log.info('i')
  log.notice('n', { who: 'a\nb"c', absent: undefined, count: 3 })
  log.error('e')
  t.equal(log.enabled('info'), false)
  t.equal(log.enabled('error'), true)
  t.equal(log.enabled('none'), false)
  t.same(lines, [
    '{"time":"1970-01-01T00:00:00.000Z","level":"notice","message":"n","who":"a\\nb\\"c","count":3}\n',
    '{"time":"1970-01-01T00:00:00.000Z","level":"error","message":"e"}\n',
  ])
})

t.test('the level may change', async (t) => {
  const lines: string[] = []
  const log = createLog({ level: 'error', write: (line) => lines.push(line), now: () => 0 })
  log.info('not written')
  log.setLevel('info')
  log.info('written')
  t.equal(log.enabled('debug'), false)
  t.equal(lines.length, 1)
})

t.test('none writes nothing', async (t) => {
  const log = createLog({ level: 'none', write: () => t.fail('wrote'), now: () => 0 })
  log.error('e')
})
