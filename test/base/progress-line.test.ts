/** How far a command is: a bar on a terminal, lines in a pipe. */
import t from 'tap'
import { ProgressLine } from '../../src/base/progress-line.ts'
import { Progress } from '../../src/lab/measure/progress.ts'

function line(isTerminal: boolean, unit?: string) {
  const drawn: string[] = []
  const clock = { nowMs: 0, monotonic: () => clock.nowMs }
  const write = (text: string): void => void drawn.push(text)
  return { drawn, clock, line: new ProgressLine({ write, isTerminal, clock, label: 'work', unit }) }
}

t.test('on a terminal a bar is drawn once a percent, and cleared away', (t) => {
  const { drawn, line: bar } = line(true)
  for (let done = 0; done <= 1000; done++) bar.update(done, 1000)
  t.equal(drawn.length, 101)
  t.equal(drawn[50], `\r[${'#'.repeat(15)}${' '.repeat(15)}]  50 %  work`)
  bar.end()
  t.match(drawn.at(-1), /^\r +\r$/)
  t.equal(drawn.at(-1)!.length, drawn[0]!.length + 1)
  bar.end()
  t.equal(drawn.length, 102, 'once')
  t.end()
})

t.test('with a rate and what is left, of what this run has done', (t) => {
  const { drawn, clock, line: bar } = line(true, 'B')
  bar.update(500_000, 10_000_000)
  clock.nowMs = 999
  bar.update(500_001, 10_000_000)
  t.equal(drawn.length, 1, 'not twice in a second for the same percent')
  clock.nowMs = 2000
  bar.update(2_500_000, 10_000_000)
  t.match(drawn.at(-1), / 25 % {2}1\.0 MB\/s, 8 s left {2}work$/)
  clock.nowMs = 3000
  bar.update(2_500_000, 10_000_000)
  t.match(drawn.at(-1), /667 kB\/s|666\.7 kB\/s/)
  bar.relabel('more', true)
  bar.update(0, 100)
  t.match(drawn.at(-1), / 0 % {2}more *$/)
  t.end()
})

t.test('elsewhere a line now and then, and none for what is done soon', (t) => {
  const { drawn, clock, line: lines } = line(false, 'entries')
  for (let done = 0; done <= 100; done++) {
    clock.nowMs = done * 99
    lines.update(done, 10_000)
  }
  lines.end()
  t.same(drawn, [])
  clock.nowMs = 10_000
  lines.update(5000, 10_000)
  clock.nowMs = 19_000
  lines.update(6000, 10_000)
  t.same(drawn, ['work: 50 %  500 entries/s, 10 s left\n'])
  t.end()
})

t.test('a benchmark tells of its steps: in a bar, or a line each', (t) => {
  for (const isTTY of [true, false]) {
    const written: string[] = []
    const write = (text: string): boolean => written.push(text) > 0
    const progress = new Progress(4, { isTTY, write } as NodeJS.WriteStream)
    for (const step of ['one', 'two']) {
      progress.begin(step)
      progress.within(0.5)
      progress.end()
    }
    progress.close()
    if (isTTY) {
      const bars = written.map((text) => /\]\s+(\d+) % {2}(\w+)/.exec(text)?.slice(1).join(' '))
      t.same(bars, ['0 one', '12 one', '25 two', '37 two', undefined])
    } else {
      t.same(written, ['1/4 one\n', '2/4 two\n'])
    }
  }
  t.end()
})
