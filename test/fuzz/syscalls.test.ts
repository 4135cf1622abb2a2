/** Traces of system calls: how they are read, which crashes they allow, and that a sync left out is found. */
import { appendFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { Coverage } from '../../fuzz/coverage.ts'
import { crashStates } from '../../fuzz/syscalls/crash-states.ts'
import { Exploration } from '../../fuzz/syscalls/exploration.ts'
import { RecordedRequests } from '../../fuzz/syscalls/recorded-requests.ts'
import { record } from '../../fuzz/syscalls/recorder.ts'
import { serverPlayer, TracedRequests } from '../../fuzz/syscalls/traced-requests.ts'
import { createDatabase, openDatabase } from '../../src/database/open.ts'
import { findStrace } from '../../src/lab/syscalls/find-strace.ts'
import { bytesOf, bytesOfVector, parseTrace, readTrace } from '../../src/lab/syscalls/strace.ts'
import { edit } from '../support/database-fixture.ts'
import { withoutStrace } from '../support/lab-command.ts'
import { Random } from '../support/random.ts'
import { SimulatedClock, seededRandomBytes } from '../support/simulated-clock.ts'
import { SimulatedDisk } from '../support/simulated-disk.ts'
import { noLock } from '../support/test-trees.ts'
import { quoted, TracingFileSystem } from '../support/tracing-file-system.ts'

/** Of the real server's; the fuzz target goes over all. */
const EXPLORED_MOMENTS = 200

t.test('lines of strace', async (t) => {
  const events = [
    ...parseTrace(
      [
        '7  pwrite64(20, "\\x28\\x2c", 2, 4096 <unfinished ...>',
        '8  read(5,  <unfinished ...>',
        '8  <... read resumed>"\\x41", 65536) = 1',
        '7  <... pwrite64 resumed>)           = 2',
        '7  openat(AT_FDCWD, "\\x2f\\x61", O_RDWR|O_CREAT, 0666) = -1 EEXIST (File exists)',
        '7  writev(9, [{iov_base="\\x61", iov_len=1}, {iov_base="\\x62\\x63", iov_len=2}], 2) = 3',
        '7  +++ exited with 0 +++',
        '',
      ].join('\n'),
    ),
  ]
  t.same(
    events.map(({ kind, call, line }) => [line, kind, call.name, call.result]),
    [
      [1, 'begin', 'pwrite64', 2],
      [2, 'begin', 'read', 1],
      [3, 'end', 'read', 1],
      [4, 'end', 'pwrite64', 2],
      [5, 'whole', 'openat', -1],
      [6, 'whole', 'writev', 3],
    ],
  )
  t.same(events[3]!.call.args.slice(2), ['2', '4096'])
  t.equal(bytesOf(events[0]!.call.args[1]!).toString(), '(,')
  t.equal(bytesOfVector(events[5]!.call.args[1]!).toString(), 'abc')
  t.throws(() => bytesOf('"\\x41"...'), { message: /was cut/ })
  t.throws(() => [...parseTrace('nonsense\n')], { message: /no thread/ })
  t.throws(() => [...parseTrace('7  <... read resumed>) = 1\n')], { message: /never began/ })
})

t.test('a trace is read when strace has written all of it', async (t) => {
  const path = join(t.testdir(), 'trace')
  const [first, last] = [
    '7  close(3) = 0\n8  close(4) = 0\n8  +++ exited with 0 +++\n',
    '7  +++ exited with 0 +++\n',
  ]
  await writeFile(path, first)
  let isRead = false
  const read = readTrace(path).finally(() => {
    isRead = true
  })
  await delay(100)
  t.equal(isRead, false, 'a thread has not ended')
  await appendFile(path, last)
  t.equal(await read, first + last)
})

/** What the states of each moment show of the folder /d: names with contents, each once, sorted. */
function statesOf(...lines: string[]): string[][] {
  const player = serverPlayer('/d', new TracedRequests())
  const moments: string[][] = []
  for (const _ of player.play(lines.map((line) => `1 ${line}\n`).join(''))) {
    const found = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      for (const { files } of crashStates(player.tree, new Random(seed))) {
        const shown = [...files].map(([path, { image }]) => {
          const bytes = Buffer.from(image.slice(0, image.length))
          return `${path.slice(3)}=${/^[a-z]*$/.test(bytes.toString()) ? bytes.toString() : '?'}`
        })
        found.add(shown.sort().join(' '))
      }
    }
    moments.push([...found].sort())
  }
  return moments
}

const open = (path: string, fd: number, flags = 'O_WRONLY|O_CREAT') =>
  `openat(AT_FDCWD, ${quoted(path)}, ${flags}, 0666) = ${fd}`

t.test('where there is no strace, that is said', async (t) => {
  const path = process.env['PATH']
  t.teardown(() => {
    process.env['PATH'] = path
  })
  process.env['PATH'] = '/nowhere'
  t.throws(() => findStrace(), { message: /strace is needed.*apt-get install strace/ })
})

t.test('what a crash may leave', async (t) => {
  const begin = [open('/d/a', 4), `write(4, ${quoted('new')}, 3) = 3`]
  const [first, second] = statesOf(...begin, 'fdatasync(4) = 0')
  for (const one of ['', 'a=', 'a=new', 'a=?']) t.ok(first!.includes(one), one || 'nothing')
  t.same(second, ['', 'a=new'], 'the sync of a file says nothing of its name')

  const folder = [open('/d', 5, 'O_RDONLY|O_DIRECTORY'), 'fsync(5) = 0']
  t.same(statesOf(...begin, 'fdatasync(4) = 0', ...folder).at(-1), ['a=new'])
  t.ok(
    statesOf(...begin, ...folder)
      .at(-1)!
      .includes('a='),
    'and the name nothing of the bytes',
  )

  const rename = `rename(${quoted('/d/a')}, ${quoted('/d/b')}) = 0`
  const renamed = statesOf(...begin, 'fdatasync(4) = 0', ...folder, rename)
  t.same(renamed.at(-1), ['a=new', 'b=new'])
  const moved = [
    `mkdir(${quoted('/d/s')}, 0700) = 0`,
    ...folder,
    `rename(${quoted('/d/a')}, ${quoted('/d/s/b')}) = 0`,
  ]
  const between = statesOf(...begin, 'fdatasync(4) = 0', ...folder, ...moved)
  t.same(between.at(-1), ['', 'a=new', 'a=new s/b=new', 's/b=new'], 'between folders its halves stand alone')

  const late = ['1', '2'].map((thread) => `${thread} `)
  const player = serverPlayer('/d', new TracedRequests())
  const trace = [
    `1 ${open('/d/a', 4)}`,
    `${late[0]}pwrite64(4, ${quoted('new')}, 3, 0 <unfinished ...>`,
    `${late[1]}fdatasync(4) = 0`,
    `${late[0]}<... pwrite64 resumed>) = 3`,
  ]
  for (const _ of player.play(`${trace.join('\n')}\n`));
  const [file] = player.tree.files()
  t.equal(file!.inode.durable.length, 0, 'a sync covers no write that was still under way when it began')
})

t.test('what is not understood is refused', async (t) => {
  t.throws(() => statesOf(open('/d/a', 4), 'fallocate(4, 3, 0, 100) = 0'), { message: /fallocate/ })
  t.throws(() => statesOf(open('/d/a', 4), 'sendfile(4, 5, NULL, 3) = 3'), { message: /sendfile/ })
  t.throws(() => statesOf(open('/d/a', 4, 'O_RDWR')), { message: /before the trace/ })
  t.throws(() => statesOf(open('/d/a', 4), `write(4, ${quoted('new')}, 3) = 2`), { message: /2 bytes of 3/ })
})

const DATA = '/data'
const PATH = `${DATA}/databases/a.davenport`
const DRAFT = `${DATA}/drafts/1.davenport`

/** A database is made and written to, and the calls and requests of that are recorded. */
async function recorded(): Promise<{ lines: readonly string[]; requests: RecordedRequests }> {
  const system = new TracingFileSystem(new SimulatedDisk(1))
  const requests = new RecordedRequests()
  const options = {
    store: { fileSystem: system, lock: noLock },
    clock: new SimulatedClock(),
    random: seededRandomBytes(new Random(3)),
  }
  const request = async (work: (number: number) => Promise<unknown>) => {
    const number = requests.nextNumber()
    system.request(number)
    await work(number)
    system.answer()
  }
  for (const name of ['databases', 'drafts']) system.call('mkdir', [quoted(`${DATA}/${name}`), '0700'], 0)
  await system.syncDirectory(DATA)
  const secret = await system.open(`${DATA}/private.json.new`, 'create')
  await secret.write(Buffer.from('{}'), 0)
  await secret.sync()
  await system.rename(`${DATA}/private.json.new`, `${DATA}/private.json`)
  await system.syncDirectory(DATA)
  let database: Awaited<ReturnType<typeof createDatabase>> | undefined
  await request(async (number) => {
    requests.changesExistence('a', number)
    database = await createDatabase(DRAFT, 'a', options)
    await database.close()
    await system.rename(DRAFT, PATH)
    await system.syncDirectory(`${DATA}/databases`)
  })
  database = await openDatabase(PATH, 'a', options)
  for (const id of ['x', 'y', 'x']) {
    await request(async (number) => {
      const body = JSON.stringify({ n: number })
      requests.writes('a', id, { number, body, attachment: undefined })
      const known = number > 3 ? database!.get(id).rev : undefined
      const [result] = await database!.update([edit(id, body, known === undefined ? {} : { rev: known })], {})
      if (result?.ok !== true) throw new Error(`${id} was refused`)
    })
  }
  await database!.close()
  database = await openDatabase(PATH, 'a', options)
  await database.close()
  await request(async (number) => {
    requests.changesExistence('a', number)
    await system.remove(PATH)
    await system.syncDirectory(`${DATA}/databases`)
  })
  return { lines: system.lines, requests }
}

/** Throws for the first state that is wrong; returns how many were looked at. */
async function explore(lines: readonly string[], requests: RecordedRequests): Promise<number> {
  const coverage = new Coverage()
  const exploration = new Exploration({ dataDir: DATA, requests, coverage })
  const random = new Random(11)
  await exploration.play(lines.map((line) => `${line}\n`).join(''), 'trace', () => random)
  return coverage.of('states')
}

t.test('every sync of a recorded database is needed', async (t) => {
  const { lines, requests } = await recorded()
  t.ok((await explore(lines, requests)) > 50)
  const answers = lines.flatMap((line, index) => (/^1 write\(5/.test(line) ? [index] : []))
  const lastBefore = (pattern: RegExp, index: number) =>
    lines.slice(0, index).findLastIndex((line) => pattern.test(line))
  const without = (at: number) => lines.filter((_, index) => index !== at)
  for (const [request, index] of answers.slice(1, -1).entries()) {
    const at = lastBefore(/fdatasync/, index)
    await t.rejects(
      explore(without(at), requests),
      { message: /is of request|not one of/ },
      `write ${request}`,
    )
  }
  const made = lastBefore(/fsync/, answers[0]!)
  await t.rejects(explore(without(made), requests), { message: /a is gone/ }, 'the folder after the creation')
  const deleted = lastBefore(/fsync/, answers.at(-1)!)
  await t.rejects(
    explore(without(deleted), requests),
    { message: /is back/ },
    'the folder after the deletion',
  )
})

t.test('a real server', { skip: withoutStrace() }, async (t) => {
  const folder = t.testdir()
  const { dataDir, traces, requests } = await record(folder, new Random(3))
  const exploration = new Exploration({ dataDir, requests, coverage: new Coverage() })
  let left = EXPLORED_MOMENTS
  for (const trace of traces) {
    const random = new Random(left)
    await exploration.play(await readTrace(trace), trace, () => (left-- > 0 ? random : undefined))
  }
  t.ok(exploration.progress.acknowledged.size > 0)
})
