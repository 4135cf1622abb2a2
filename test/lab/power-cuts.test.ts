/** The second depth: which states each model allows, what is refused, and three planted bugs that are found. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { CallPlayer } from '../../src/lab/syscalls/call-player.ts'
import { drawnFate, legalise, type Model, pendingOf, stateOf } from '../../src/lab/syscalls/models.ts'
import { PipeAnswers } from '../../src/lab/syscalls/pipe-answers.ts'
import { lab, withoutStrace } from '../support/lab-command.ts'
import { Random } from '../support/random.ts'
import { quoted } from '../support/tracing-file-system.ts'

t.setTimeout(300_000)

const toy = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url))
const RENAMING = toy('docs/lab/renaming.mjs')

function play(lines: readonly string[], journalsNames: boolean, rebuiltFiles: readonly string[] = []) {
  const answers: number[] = []
  const onAnswer = (id: number) => answers.push(id) > 0
  const observer = new PipeAnswers(onAnswer)
  const player = new CallPlayer({ folder: '/d', rebuiltFiles, journalsNames, observer })
  const moments = [...player.play(lines.map((line) => `1 ${line}\n`).join(''))].map(({ kind }) => kind)
  return { player, answers, moments }
}

/** What the states after the last line show: names with contents, each once, sorted. */
function states(model: Model, ...lines: string[]): string[] {
  const { tree } = play(lines, model !== 'posix-strict').player
  const found = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed)
    const drawn = pendingOf(tree).filter(() => random.bool())
    const choice = legalise(
      tree,
      model,
      new Map(drawn.map((each) => [each.sequence, drawnFate(each, random)])),
    )
    const shown = [...stateOf(tree, model, choice)].map(([path, { image }]) => {
      const text = Buffer.from(image.slice(0, image.length)).toString('latin1')
      return `${path.slice(3)}=${/^[a-z]*$/.test(text) ? text.slice(0, 3) : /^\0+$/.test(text) ? '0' : '?'}`
    })
    found.add(shown.sort().join(' '))
  }
  return [...found].sort()
}

const open = (path: string, fd: number, flags = 'O_WRONLY|O_CREAT') =>
  `openat(AT_FDCWD, ${quoted(path)}, ${flags}, 0666) = ${fd}`
const write = (fd: number, text: string) => `write(${fd}, ${quoted(text)}, ${text.length}) = ${text.length}`
const sync = (fd: number) => `fsync(${fd}) = 0`
const rename = (from: string, to: string) => `rename(${quoted(from)}, ${quoted(to)}) = 0`
const folder = [open('/d', 5, 'O_RDONLY|O_DIRECTORY'), sync(5)]

t.test('what each model allows', async (t) => {
  const made = [open('/d/a', 4), write(4, 'new')]
  t.same(states('ext4-ordered', ...made), ['', 'a=', 'a=new'], 'a new block shows its data or is not there')
  t.ok(states('ext4-writeback', ...made).includes('a=0'), 'or zeros')
  t.ok(states('ext4-writeback', ...made).includes('a=?'), 'or what the disk held')
  t.same(states('ext4-ordered', ...made, sync(4)), ['a=new'], 'one journal has the name too')
  t.same(states('posix-strict', ...made, sync(4)), ['', 'a=new'], 'the standard says nothing of the name')
  t.same(states('posix-strict', ...made, sync(4), ...folder), ['a=new'])

  const replaced = [open('/d/a', 3), write(3, 'old'), sync(3), ...folder, open('/d/b', 4), write(4, 'new')]
  const unsynced = [...replaced, rename('/d/b', '/d/a')]
  t.same(states('ext4-ordered', ...unsynced), ['a=new', 'a=old', 'a=old b=', 'a=old b=new'], 'with its data')
  t.ok(states('ext4-writeback', ...unsynced).includes('a='), 'or without')
  const synced = [...replaced, sync(4), rename('/d/b', '/d/a')]
  t.same(states('ext4-ordered', ...synced), ['a=new', 'a=old b=new'])
  t.same(states('ext4-ordered', ...synced, ...folder), ['a=new'])

  const names = [...replaced, sync(4), ...folder, rename('/d/b', '/d/c'), open('/d/e', 6)]
  t.notOk(states('ext4-ordered', ...names).some((each) => each.includes('b=') && each.includes('e=')))
  t.ok(
    states('posix-strict', ...names).some((each) => each.includes('b=') && each.includes('e=')),
    'in any order',
  )

  const grown = [
    open('/d/a', 4),
    write(4, 'old'),
    sync(4),
    ...folder,
    write(4, 'x'.repeat(10)),
    write(4, 'y'.repeat(5000)),
  ]
  const lengths = states('ext4-ordered', ...grown)
  t.ok(lengths.includes('a=?'), 'the rest of a block that was there may be zeros')
  t.same(states('ext4-ordered', open('/d/a', 4, 'O_WRONLY|O_CREAT|O_DSYNC'), write(4, 'new')), ['a=new'])
})

t.test('calls of any program', async (t) => {
  const tree = (...lines: string[]) => {
    const { player } = play(lines, true)
    return [...player.tree.visibleFiles()].map(([path, { inode }]) => {
      return `${path.slice(3)}=${Buffer.from(inode.visible.slice(0, inode.visible.length)).toString()}`
    })
  }
  t.same(
    tree(open('/d/a', 4), 'dup(4) = 7', write(7, 'one'), write(4, 'two')),
    ['a=onetwo'],
    'places are shared',
  )
  t.same(tree(open('/d/a', 4), write(4, 'one'), 'lseek(4, 1, SEEK_SET) = 1', write(4, 'x')), ['a=oxe'])
  t.same(tree(`chdir(${quoted('/d')}) = 0`, open('a', 4), write(4, 'one')), ['a=one'], 'paths are relative')
  t.same(tree(open('/d', 3, 'O_RDONLY'), `openat(3, ${quoted('a')}, O_CREAT, 0666) = 4`, write(4, 'x')), [
    'a=x',
  ])
  const closed = [open('/d/a', 4), 'fork() = 2', '2 close(4) = 0']
  t.same(tree(...closed.slice(0, 2), write(4, 'x')), ['a=x'])
  t.same(tree(open('/d/a', 4), 'close(4) = 0', open('/elsewhere', 4), write(4, 'x')), ['a='])
  t.same(tree(open('/d/a', 4), 'fallocate(4, 0, 0, 2) = 0'), ['a=\0\0'])

  const mapped = [
    open('/d/x-shm', 4, 'O_RDWR|O_CREAT'),
    'mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 4, 0) = 0x7f00',
  ]
  t.throws(() => play(mapped, true), { message: /written through a mapping.*rebuiltFiles/ })
  t.same(play(mapped, true, ['-shm']).moments, ['end'])
  t.throws(() => play(['io_uring_setup(8, 0x1) = 3'], true), { message: /do without io_uring/ })
  t.throws(() => play([open('/d/a', 4), 'sendfile(4, 9, NULL, 10) = 10'], true), {
    message: /within the kernel/,
  })
  t.throws(() => play([open('/d/a', 4), 'fallocate(4, FALLOC_FL_PUNCH_HOLE, 0, 2) = 0'], true), {
    message: /PUNCH_HOLE/,
  })
  t.throws(() => play([open('/d/a', 4, 'O_RDWR')], true), { message: /before the trace/ })

  const answer = play([write(1, '{"id":1,"ok":'), write(1, 'true}\n{"id":2,"error":"no"}\nnoise\n')], true)
  t.same(answer.answers, [1], 'an answer is its whole line, and says that all is well')
  t.same(answer.moments, ['acknowledgement', 'end'])
})

const skip = withoutStrace()

t.test('three planted bugs are found, and none in what is right', { skip }, async (t) => {
  const fuzz = (store: string, ...more: string[]) =>
    lab('fuzz', '--depth', '2', '--seed', '6', '--commits', '6', '--states', '40', '--store', store, ...more)
  for (const [bug, model, pattern] of [
    [
      'early',
      'ext4-writeback',
      /FOUND (?:acknowledged write lost|never written|half of a transaction|not opened)/,
    ],
    ['nameless', 'posix-strict', /FOUND acknowledged write lost: [\s\S]*○ +\d+ +rename +new → all/],
    ['halves', 'ext4-ordered', /FOUND (?:acknowledged write lost|half of a transaction|never written)/],
  ] as const) {
    const out = t.testdir()
    const isFirst = bug !== 'nameless'
    const ends = isFirst ? ['--first'] : ['--states', '30']
    const found = await fuzz(RENAMING, ...ends, '--set', `bug=${bug}`, '--model', model, '--out', out)
    t.match(found, { status: 1, out: pattern }, `${bug}: ${found.out}`)
    const file = readdirSync(out).find((name) => name.endsWith('.json'))!
    t.ok(existsSync(join(out, file.replace('.json', '.svg'))))
    if (isFirst) continue
    t.match(
      found.out,
      /states: 30\n[\s\S]*went wrong: \d+ × acknowledged write lost/,
      'it goes on, and counts',
    )
    t.equal(found.out.match(/FOUND acknowledged write lost/g)?.length, 1, 'and tells of it once')
    t.match(await lab('replay', join(out, file)), {
      status: 1,
      out: /○ .*rename[\s\S]*now: acknowledged write lost/,
    })
  }
  for (const store of [RENAMING, toy('docs/lab/file-log.mjs')]) {
    t.match(await fuzz(store, '--model', 'posix-strict'), {
      status: 0,
      out: /states: \d+[\s\S]*nothing was found/,
    })
  }
})
