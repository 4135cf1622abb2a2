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

/** Nothing but deletions. */
function deletions(): GatewayDatabase {
  const row = (seq: number) => ({
    id: `gone${seq}`,
    seqNumber: seq,
    seq: `${seq}-x`,
    deleted: true,
    revs: ['2-a'],
  })
  function* rows(since: number) {
    for (let seq = since + 1; seq <= DELETIONS; seq++) yield row(seq)
  }
  const database = {
    changes: ({ since = 0 }: { since?: number }) => ({ rows: rows(since) }),
    lookup: () => undefined,
  }
  const source = {
    database,
    bells: new Bells(),
    ended: new AbortController().signal,
    indexedSeq: DELETIONS,
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
