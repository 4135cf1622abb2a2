/** Whether a name leads to the open file: what the folder vouches for is looked at there, and nothing that happens to the name goes unseen. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { NamePlace } from '../../native-free-btree/disk/name-place.ts'
import { systemClock } from '../../native-free-btree/disk/system.ts'

/** Later than any time of a folder by more than what passes for young. */
const later = () => systemClock.now() + 60_000

interface Scene {
  folder: string
  path: string
  descriptor: number
}

function scene(t: Test): Scene {
  const folder = join(t.testdir({ data: { file: 'ours', other: 'another' }, elsewhere: {} }), 'data')
  const path = join(folder, 'file')
  const descriptor = fs.openSync(path, 'r+')
  t.teardown(() => fs.closeSync(descriptor))
  return { folder, path, descriptor }
}

function placeOf({ path, descriptor }: Scene, nowMs?: () => number): NamePlace {
  return new NamePlace(path, fs.fstatSync(descriptor, { bigint: true }), nowMs)
}

/** How often the file itself is looked at by its name while `work` runs. */
function looks(work: () => void): number {
  const { lstatSync } = fs
  let count = 0
  const counting = (path: string, options: { bigint: true; throwIfNoEntry: false }) => {
    count += 1
    return lstatSync(path, options)
  }
  Object.assign(fs, { lstatSync: counting })
  syncBuiltinESMExports()
  try {
    work()
  } finally {
    Object.assign(fs, { lstatSync })
    syncBuiltinESMExports()
  }
  return count
}

/** Until the clock that the file system takes its times from has moved on. */
function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}

const skip = process.platform === 'win32' && 'folders do not vouch there'

t.test('a folder that has not changed for long vouches for the name', { skip }, (t) => {
  const place = placeOf(scene(t), later)
  t.equal(
    looks(() => {
      for (let i = 0; i < 5; i++) t.ok(place.leadsThere())
    }),
    1,
  )
  t.end()
})

t.test('one that has just changed does not, nor one whose times lie ahead', { skip }, (t) => {
  const young = scene(t)
  for (const nowMs of [undefined, () => systemClock.now() - 3_600_000]) {
    const place = placeOf(young, nowMs)
    t.equal(
      looks(() => {
        for (let i = 0; i < 3; i++) t.ok(place.leadsThere())
      }),
      3,
    )
  }
  t.end()
})

const losses: Record<string, (scene: Scene) => void> = {
  'the file is removed': ({ path }) => fs.unlinkSync(path),
  'it is renamed': ({ path }) => fs.renameSync(path, `${path}.moved`),
  'it is moved to another folder': ({ folder, path }) =>
    fs.renameSync(path, join(folder, '../elsewhere/file')),
  'another takes its place': ({ folder, path }) => fs.renameSync(join(folder, 'other'), path),
  'another of the same name is made': ({ path }) => {
    fs.unlinkSync(path)
    fs.writeFileSync(path, 'another')
  },
  'the folder is moved away': ({ folder }) => fs.renameSync(folder, `${folder}.moved`),
  'another folder takes its place': ({ folder }) => {
    fs.renameSync(folder, `${folder}.moved`)
    fs.mkdirSync(folder)
    fs.writeFileSync(join(folder, 'file'), 'another')
  },
}

for (const [what, lose] of Object.entries(losses)) {
  t.test(`it is noticed at once when ${what}`, async (t) => {
    const there = scene(t)
    const place = placeOf(there, later)
    t.ok(place.leadsThere())
    await tick()
    lose(there)
    t.notOk(place.leadsThere())
    t.notOk(place.leadsThere())
  })
}

t.test('a name that comes back is seen', async (t) => {
  const there = scene(t)
  const place = placeOf(there, later)
  t.ok(place.leadsThere())
  await tick()
  fs.renameSync(there.path, `${there.path}.moved`)
  t.notOk(place.leadsThere())
  await tick()
  fs.renameSync(`${there.path}.moved`, there.path)
  t.ok(place.leadsThere())
})

t.test('behind a symbolic link the file is looked at each time', { skip }, async (t) => {
  const there = scene(t)
  const link = join(there.folder, '../elsewhere/link')
  fs.symlinkSync(there.path, link)
  const place = placeOf({ ...there, path: link }, later)
  t.ok(place.leadsThere())
  await tick()
  fs.renameSync(join(there.folder, 'other'), there.path)
  t.notOk(place.leadsThere())
})

t.test('a folder behind a symbolic link that leads elsewhere now is another', { skip }, async (t) => {
  const there = scene(t)
  const link = join(there.folder, '../linked')
  fs.symlinkSync(there.folder, link)
  const place = placeOf({ ...there, path: join(link, 'file') }, later)
  t.ok(place.leadsThere())
  await tick()
  fs.unlinkSync(link)
  fs.symlinkSync(join(there.folder, '../elsewhere'), link)
  t.notOk(place.leadsThere())
})
