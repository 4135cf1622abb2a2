/**
 * The room of design functions alone: what one thread, and all of them, do in a second. Documents are of about 1 KB.
 * Calls come from `callers` that each wait for their answer, as requests do.
 */
import { systemClock } from '../../src/base/clock.ts'
import { Design } from '../../src/scripting/design.ts'
import { type SandboxKind, Scripting } from '../../src/scripting/scripting.ts'
import { percentile, stopwatch } from '../tools.ts'

const MAPS: Record<string, string> = {
  simple: 'function(doc) { emit(doc.kind, doc.n); }',
  'simple, sealed': 'function(doc) { var all = []; all.push(doc.n); emit(doc.kind, all[0]); }',
  words: 'function(doc) { doc.text.split(" ").forEach(function(word) { emit(word, 1); }); }',
}
const VALIDATIONS: Record<string, string> = {
  trivial: 'function(doc, old, user, security) {}',
  usual: `function(doc, old, user, security) {
    if (doc._deleted) return;
    if (!doc.kind) throw({forbidden: "kind is required"});
    if (old && old.kind != doc.kind) throw({forbidden: "kind may not change"});
    if (user.roles.indexOf("_admin") < 0 && user.roles.indexOf("writer") < 0) throw({unauthorized: "who are you"});
  }`,
}
const BATCH = 200

function documentOf(n: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      _id: `document-${n}`,
      _rev: '1-0123456789abcdef0123456789abcdef',
      kind: `kind ${n % 7}`,
      n,
      title: `The title of document ${n}`,
      tags: ['one', 'two', 'three'],
      address: { street: `Street ${n}`, city: 'Cologne', code: 50667 },
      flag: true,
      nothing: null,
      price: 12.5,
      text: 'lorem ipsum dolor sit amet '.repeat(25),
    }),
  )
}

function designOf(members: object, owner: string): Design {
  return new Design(Buffer.from(JSON.stringify(members)), owner)
}

/** What `work` gets done in a second, by so many of it at once; each returns how much it did. */
async function rateOf(
  seconds: number,
  workers: number,
  work: (worker: number) => Promise<number>,
): Promise<number> {
  const elapsed = stopwatch()
  const untilMs = systemClock.monotonic() + seconds * 1000
  let done = 0
  const one = async (worker: number): Promise<void> => {
    while (systemClock.monotonic() < untilMs) {
      const more = await work(worker)
      done += more
    }
  }
  await Promise.all(Array.from({ length: workers }, (_, worker) => one(worker)))
  return done / elapsed()
}

export interface RoomOptions {
  seconds: number
  threads: number
  callers: number
  sandbox: SandboxKind
}

export async function measureRoom(
  { seconds, threads, callers, sandbox }: RoomOptions,
  print: (line: string) => void,
): Promise<void> {
  const room = new Scripting({ clock: systemClock, threads, sandbox })
  const documents = Array.from({ length: BATCH }, (_, n) => documentOf(n))
  const report = (name: string, rate: number): void => {
    print(`${name.padEnd(34)} ${Math.round(rate).toLocaleString('en').padStart(10)} /s`)
  }
  try {
    for (const [name, map] of Object.entries(MAPS)) {
      const designs = Array.from({ length: threads }, (_, n) => designOf({ views: { v: { map } } }, `db${n}`))
      const mapped = async (worker: number): Promise<number> => {
        await room.map(designs[worker % threads]!, ['v'], documents)
        return BATCH
      }
      await rateOf(1, threads * 2, mapped)
      report(`documents mapped: ${name}`, await rateOf(seconds, threads * 2, mapped))
    }
    for (const [name, source] of Object.entries(VALIDATIONS)) {
      const designs = Array.from({ length: threads }, (_, n) =>
        designOf({ validate_doc_update: source, n }, `db${n}`),
      )
      const user = { db: 'db', name: 'ann', roles: ['writer'] }
      const validated = async (worker: number): Promise<number> => {
        await room.validate(designs[worker % threads]!, documents[0]!, null, user, {})
        return 1
      }
      await rateOf(1, callers, validated)
      report(`validations: ${name}, ${callers} callers`, await rateOf(seconds, callers, validated))
      report(`validations: ${name}, 1 caller`, await rateOf(seconds, 1, validated))
    }
    const filter = designOf({ filters: { f: 'function(doc, req) { return doc.n % 2 == 0; }' } }, 'db')
    const filtered = async (): Promise<number> => {
      await room.filter(filter, 'f', documents.slice(0, 50), { query: {} })
      return 50
    }
    await rateOf(1, 2, filtered)
    report('documents filtered, by 50', await rateOf(seconds, 2, filtered))
    await besideLoops(room, seconds, documents[0]!, print)
  } finally {
    await room.close()
  }
}

/** How long another database's validations take while two design documents run endless loops. */
async function besideLoops(
  room: Scripting,
  seconds: number,
  document: Buffer,
  print: (line: string) => void,
): Promise<void> {
  const design = designOf({ validate_doc_update: VALIDATIONS['usual'] }, 'good')
  const times: number[] = []
  const one = async (): Promise<number> => {
    const before = systemClock.monotonic()
    await room.validate(design, document, null, { roles: ['writer'] }, {})
    times.push(systemClock.monotonic() - before)
    return 1
  }
  for (const loops of [0, 2]) {
    const stop = new AbortController()
    const { signal } = stop
    const looping = Array.from({ length: loops }, (_, n) =>
      room
        .validate(
          designOf({ validate_doc_update: 'function() { for (;;); }', n }, 'bad'),
          {},
          null,
          {},
          {},
          { signal },
        )
        .catch(() => {}),
    )
    times.length = 0
    const rate = await rateOf(seconds, 1, one)
    const [median, high] = [percentile(times, 0.5), percentile(times, 0.99)]
    print(
      `beside ${loops} endless loops: ${Math.round(rate)} /s, median ${median.toFixed(2)} ms, p99 ${high.toFixed(2)} ms`,
    )
    stop.abort()
    await Promise.all(looping)
  }
}
