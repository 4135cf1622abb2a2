import t from 'tap'
import { BytePace } from '../../src/base/byte-pace.ts'

t.test('a rate is shared, whoever takes', async (t) => {
  let nowMs = 1000
  const pace = new BytePace({ bytesPerSecond: 1000, burstBytes: 100, nowMs: () => nowMs })
  t.equal(pace.take(60), 0)
  t.equal(pace.take(40), 0, 'the burst is for nothing')
  t.equal(pace.take(50), 50, 'beyond it each waits as long as its bytes take')
  t.equal(pace.take(50), 100, 'behind those before it')
  nowMs += 100
  t.equal(pace.take(1), 1)
  nowMs += 1_000_000
  t.equal(pace.take(100), 0, 'what nobody took is not saved up beyond the burst')
  t.equal(pace.take(100), 100)
})
