/** Signs of life that a follower has asked for come however much happens that he is shown nothing of. */
import t from 'tap'
import { Bells } from '../../src/gateway/changes/bells.ts'
import { ChangeWait } from '../../src/gateway/changes/change-wait.ts'
import { continuousPieces, pulseOf, resultPieces } from '../../src/gateway/changes/changes-feed.ts'
import { optionsOfRequest } from '../../src/gateway/changes/changes-options.ts'
import type { GatewayDatabase } from '../../src/gateway/gateway-database.ts'

const BEAT_MS = 30_000
const DELETIONS = 20_000

/** Moves on whenever somebody looks at it. */
function hastyClock(stepMs: number) {
  let nowMs = 0
  return { monotonic: () => (nowMs += stepMs) }
}

/** Nothing but deletions; `last` is how many there are. */
function deletions(last: () => number = () => DELETIONS): GatewayDatabase {
  const row = (seq: number) => ({
    id: `gone${seq}`,
    seqNumber: seq,
    seq: `${seq}-x`,
    deleted: true,
    revs: ['2-a'],
  })
  function* rows(since: number) {
    for (let seq = since + 1; seq <= last(); seq++) yield row(seq)
  }
  const database = {
    changes: ({ since = 0 }: { since?: number }) => ({ rows: rows(since) }),
    lookup: () => undefined,
  }
  const source = {
    database,
    bells: new Bells(),
    ended: new AbortController().signal,
    get indexedSeq() {
      return last()
    },
    accountOf: () => undefined,
    stateOf: () => undefined,
  }
  return source as unknown as GatewayDatabase
}

t.test('beside changes that come all the time', async (t) => {
  const clock = hastyClock(1000)
  const pulse = pulseOf(BEAT_MS, clock)
  const database = deletions()
  const wait = new ChangeWait(database, () => undefined, new AbortController().signal)
  const wakeups: string[] = []
  for (let i = 0; i < 100; i++) {
    wait.begin()
    database.bells.changedReaders()
    database.bells.ring()
    const wakeup = await wait.next(undefined, pulse)
    if (wakeup === 'beat') pulse.beaten()
    wakeups.push(wakeup)
  }
  wait.stop()
  t.ok(wakeups.filter((each) => each === 'beat').length >= 2, 'beats')
  t.ok(wakeups.includes('change'))
})

t.test('while what is not shown is passed over', async (t) => {
  for (const feed of ['longpoll', 'continuous']) {
    const query = new URLSearchParams({ feed, active_only: 'true', heartbeat: String(BEAT_MS) })
    const gone = new AbortController()
    const parts = {
      database: deletions(),
      reader: () => null,
      options: optionsOfRequest(query, undefined, 0),
      clock: hastyClock(2000),
      gone: gone.signal,
    }
    const pieces = feed === 'longpoll' ? resultPieces(parts) : continuousPieces(parts)
    let beats = 0
    for await (const piece of pieces) {
      if (piece === '\n') beats += 1
      // The first is that it has begun; the pass has not come to its end.
      if (beats === 2) gone.abort()
    }
    t.equal(beats >= 2, true, feed)
  }
})

t.test('a time-out counts from what was told last, and not where signs of life are asked for', async (t) => {
  const timeout = 600_000
  let nowMs = 0
  let last = 1
  const database = deletions(() => last)
  const gone = new AbortController()
  const query = new URLSearchParams({ feed: 'continuous', timeout: String(timeout) })
  const pieces = continuousPieces({
    database,
    reader: () => null,
    options: optionsOfRequest(query, undefined, 0),
    clock: { monotonic: () => nowMs },
    gone: gone.signal,
  })
  let rows = 0
  for await (const piece of pieces) {
    if (typeof piece !== 'string' || piece === '\n') continue
    rows += 1
    if (rows === 5) {
      gone.abort()
      continue
    }
    // Behind a timer for a time that is over.
    setTimeout(() => {
      last += 1
      nowMs += timeout - 1000
      database.bells.changedReaders()
      database.bells.ring()
    }, 50)
  }
  t.equal(rows, 5)
  const options = (heartbeat: string) => optionsOfRequest(new URLSearchParams({ heartbeat }), undefined, 0)
  t.equal(options('30000').timeoutMs, 0)
  t.ok(options('0').timeoutMs > 0)
})
