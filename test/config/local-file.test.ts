/** The file that the server writes is the old or the new one whatever fails, and whenever the process ends. */
import * as files from 'node:fs/promises'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type DurableFiles, writeDurably } from '../../src/base/durable-file.ts'
import { LocalFile } from '../../src/config/local-file.ts'

const OLD = '; mine\n[uuids]\nmax_count = 5\n'
const NEW = '; mine\n[uuids]\nmax_count = 6\n'

class Killed extends Error {}

interface Faults {
  /** Its number is that of the step that fails; none after the last. */
  failsAt: number
  /** Nothing works any more after it, as when the process is killed. */
  isDeadly: boolean
  /** Of a step that fails a part, or all of it, may have happened. */
  happened: 'nothing' | 'half' | 'all'
}

/** The real files, in which one step fails. `steps` is what was done. */
function failing({ failsAt, isDeadly, happened }: Faults) {
  const steps: string[] = []
  let isDead = false
  const step = async (name: string, all: () => Promise<unknown>, half = all): Promise<void> => {
    if (isDead) throw new Killed()
    steps.push(name)
    if (steps.length !== failsAt) return void (await all())
    isDead = isDeadly
    if (happened === 'all') await all()
    if (happened === 'half') await half()
    throw isDeadly ? new Killed() : Object.assign(new Error('no room'), { code: 'ENOSPC' })
  }
  const system: DurableFiles = {
    rm: (path, options) => step('rm', () => files.rm(path, options)),
    rename: (from, to) => step('rename', () => files.rename(from, to)),
    async open(path, flags, mode) {
      let handle: files.FileHandle | undefined
      const isFolder = flags === 'r'
      await step(isFolder ? 'open folder' : 'open', async () => {
        handle = await files.open(path, flags, mode)
      })
      const at = isFolder ? ' folder' : ''
      return {
        writeFile: (text) =>
          step(
            'write',
            () => handle!.writeFile(text),
            () => handle!.writeFile(text.slice(0, text.length / 2)),
          ),
        sync: () => step(`sync${at}`, () => handle!.sync()),
        close: () => handle!.close(),
      }
    },
  }
  return { steps, system }
}

t.test('the contents are durable before the name is, and the name before the end', async (t) => {
  const path = join(t.testdir({ 'local.ini': OLD }), 'local.ini')
  const { steps, system } = failing({ failsAt: 0, isDeadly: false, happened: 'all' })
  await writeDurably(path, NEW, 0o600, system)
  t.same(steps, ['rm', 'open', 'write', 'sync', 'open folder', 'rename', 'sync folder'])
})

for (const isDeadly of [false, true]) {
  for (const happened of ['nothing', 'half', 'all'] as const) {
    t.test(`any step ${isDeadly ? 'is the last' : 'fails'}, of it ${happened}`, async (t) => {
      for (let failsAt = 1; ; failsAt++) {
        const path = join(t.testdir({ 'local.ini': OLD }), 'local.ini')
        const { steps, system } = failing({ failsAt, isDeadly, happened })
        const change = new LocalFile(path, system).put('uuids', 'max_count', '6')
        if ((await change.catch(() => 'failed')) === undefined) {
          t.ok(steps.length < failsAt, 'all steps have been tried')
          break
        }
        const text = await readFile(path, 'utf8')
        t.ok(text === OLD || text === NEW, `step ${failsAt}, ${steps.at(-1)}`)
        if (steps.indexOf('rename') < 0) t.equal(text, OLD)
        await new LocalFile(path).put('uuids', 'max_count', '6')
        t.equal(await readFile(path, 'utf8'), NEW, 'the next change is made')
      }
    })
  }
}

t.test('only its owner may read it', async (t) => {
  const path = join(t.testdir({ 'local.ini': OLD }), 'local.ini')
  await new LocalFile(path).put('admins', 'a', 'b')
  t.equal((await stat(path)).mode & 0o777, 0o600)
})

t.test('what somebody has written meanwhile stays', async (t) => {
  const path = join(t.testdir(), 'local.ini')
  const file = new LocalFile(path)
  await file.put('a', 'k', '1')
  await writeFile(path, `; by hand\n[b]\nk = 2\n`)
  await file.put('a', 'k', '3')
  t.equal(await readFile(path, 'utf8'), '; by hand\n[b]\nk = 2\n\n[a]\nk = 3\n')
})
