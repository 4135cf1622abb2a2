import t from 'tap'
import type { StorageFile } from '../native-free-btree/disk/file-system.ts'
import {
  cutFile,
  flipBit,
  misdirectWrite,
  staleWrite,
  swapBlocks,
  zeroRange,
} from '../src/lab/disk/simulated-damage.ts'
import { SparseImage } from '../src/lab/disk/sparse-image.ts'
import { Random } from './support/random.ts'
import { SimulatedClock, seededRandomBytes } from './support/simulated-clock.ts'
import { SimulatedDisk } from './support/simulated-disk.ts'

const SEEDS = Array.from({ length: 200 }, (_, i) => i + 1)

function filled(length: number, value: number): Uint8Array {
  return new Uint8Array(length).fill(value)
}

function text(disk: SimulatedDisk, path: string): string {
  return Buffer.from(disk.content(path)).toString('latin1')
}

/** A file that is durable under its name, with this content. */
async function settled(disk: SimulatedDisk, path: string, content = ''): Promise<StorageFile> {
  const file = await disk.open(path, 'create')
  await file.write(Buffer.from(content, 'latin1'), 0)
  await file.sync()
  await disk.syncDirectory('/d')
  return file
}

/** The distinct results of `run` over all seeds, sorted. */
async function outcomes(run: (disk: SimulatedDisk) => Promise<string>): Promise<string[]> {
  const found = new Set<string>()
  for (const seed of SEEDS) found.add(await run(new SimulatedDisk(seed)))
  return [...found].sort()
}

t.test('a sparse image agrees with a plain array', async (t) => {
  const random = new Random(7)
  let plain = new Uint8Array(0)
  let image = new SparseImage()
  const clones: { image: SparseImage; plain: Uint8Array }[] = []
  const grown = (length: number) => {
    const next = new Uint8Array(length)
    next.set(plain.subarray(0, length))
    return next
  }
  for (let step = 0; step < 2000; step++) {
    const position = random.int(30_000)
    const length = random.int(9000)
    const kind = random.int(5)
    if (kind <= 1) {
      const bytes = random.bytes(length)
      image.write(bytes, position)
      if (length > 0) plain = grown(Math.max(plain.length, position + length))
      plain.set(bytes, position)
    } else if (kind === 2) {
      image.truncate(position)
      plain = grown(position)
    } else if (kind === 3) {
      image.clear(position, length)
      plain.fill(0, position, position + length)
    } else {
      const copy = image.clone()
      const [kept, next] = random.bool() ? [image, copy] : [copy, image]
      clones.push({ image: kept, plain: plain.slice() })
      image = next
    }
    const target = filled(length, 0xee)
    const expected = plain.subarray(position, position + length)
    if (
      image.length !== plain.length ||
      image.read(target, position) !== expected.length ||
      Buffer.compare(target.subarray(0, expected.length), expected) !== 0
    ) {
      t.fail(`differs at step ${step}`)
      return
    }
  }
  for (const clone of clones) {
    if (Buffer.compare(clone.image.slice(0, clone.image.length), clone.plain) !== 0) t.fail('a clone changed')
  }
  const huge = new SparseImage()
  huge.truncate(2 ** 32)
  huge.write(filled(20, 1), 2 ** 32 - 10)
  t.equal(huge.length, 2 ** 32 + 10)
  t.equal(huge.pageCount, 2)
  huge.truncate(5)
  t.equal(huge.pageCount, 0)
})

t.test('the generator repeats itself and covers its range', async (t) => {
  const draw = (seed: number) => {
    const random = new Random(seed)
    return [
      random.next(),
      random.int(10),
      random.bool(),
      random.bytes(5),
      random.float(),
      random.int(2 ** 50),
    ]
  }
  t.same(draw(5), draw(5))
  t.notSame(draw(5), draw(6))
  const random = new Random(1)
  const seen = new Set(Array.from({ length: 200 }, () => random.between(3, 7)))
  t.same([...seen].sort(), [3, 4, 5, 6, 7])
  const target = new Uint8Array(8)
  seededRandomBytes(new Random(3))(target)
  t.same(target, new Random(3).bytes(8))
})

t.test('the clock runs timers in the order in which they fall due', async (t) => {
  const clock = new SimulatedClock(1000)
  const ran: string[] = []
  clock.after(20, () => ran.push(`late at ${clock.now()}`))
  clock.after(10, () => {
    ran.push(`early at ${clock.now()}`)
    clock.after(5, () => ran.push(`nested at ${clock.now()}`))
  })
  const cancel = clock.after(12, () => ran.push('cancelled'))
  cancel()
  clock.advance(9)
  t.same(ran, [])
  clock.advance(11)
  t.same(ran, ['early at 1010', 'nested at 1015', 'late at 1020'])
  t.equal(clock.now(), 1020)
  t.equal(clock.pending, 0)
})

t.test('what was synced survives every crash', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', 'synced')
    await file.write(Buffer.from('XY'), 6)
    await file.sync()
    const next = disk.crash({ tearingAtBytes: 1 })
    return text(next, '/d/f')
  })
  t.same(found, ['syncedXY'])
})

t.test('unsynced writes survive in any combination', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', '---')
    for (const [i, letter] of ['a', 'b', 'c'].entries()) await file.write(Buffer.from(letter), i)
    return text(disk.crash({ survival: 0.5 }), '/d/f')
  })
  t.same(found, ['---', '--c', '-b-', '-bc', 'a--', 'a-c', 'ab-', 'abc'])
})

t.test('overlapping writes land in any order', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', '---')
    await file.write(Buffer.from('aa'), 0)
    await file.write(Buffer.from('bb'), 1)
    return text(disk.crash({ survival: 1, tearing: 0, reordering: 1 }), '/d/f')
  })
  t.same(found, ['---', 'aa-', 'aab', 'abb'], 'aab: the older write landed last')
})

t.test('a write tears at sectors, any subset of them', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', '-'.repeat(1536))
    await file.write(filled(1200, 0x61), 100)
    const after = text(disk.crash({ survival: 1, tearing: 1 }), '/d/f')
    const sectors = [after.slice(0, 512), after.slice(512, 1024), after.slice(1024)]
    const expected = [
      `${'-'.repeat(100)}${'a'.repeat(412)}`,
      'a'.repeat(512),
      `${'a'.repeat(276)}${'-'.repeat(236)}`,
    ]
    return sectors
      .map((sector, i) => (sector === '-'.repeat(512) ? '0' : sector === expected[i] ? '1' : 'x'))
      .join('')
  })
  t.same(found, ['000', '001', '010', '011', '100', '101', '110', '111'])
})

t.test('a write tears at any byte when asked to', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', '-----')
    await file.write(Buffer.from('abcde'), 0)
    return text(disk.crash({ survival: 1, tearing: 1, tearingAtBytes: 1 }), '/d/f')
  })
  t.same(found, ['-----', 'a----', 'ab---', 'abc--', 'abcd-', 'abcde'])
})

t.test('the length changes apart from the data, and shows zeros or stale bytes', async (t) => {
  const lengths = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', 'ab')
    await file.write(Buffer.from('cd'), 2)
    return JSON.stringify(text(disk.crash({ staleness: 0 }), '/d/f'))
  })
  t.same(lengths, ['"ab"', '"ab\\u0000\\u0000"', '"abcd"'])
  let staleOnes = 0
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seed)
    await settled(disk, '/d/other', 'o'.repeat(9000))
    const file = await settled(disk, '/d/f', 'ab')
    await file.write(filled(2000, 0x63), 2)
    const after = text(disk.crash({ survival: 0, staleness: 1 }), '/d/f')
    if (!after.startsWith('ab')) t.fail(`seed ${seed} changed synced bytes`)
    if (after.length === 2002 && /^o+$/.test(after.slice(512))) staleOnes++
  }
  t.ok(staleOnes > 0, `content of another file showed ${staleOnes} times`)
})

t.test('a lost truncation brings the old bytes back', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', 'abcdef')
    await file.truncate(2)
    await file.write(Buffer.from('X'), 4)
    return JSON.stringify(text(disk.crash({ survival: 1, staleness: 0 }), '/d/f'))
  })
  t.same(found, ['"ab"', '"ab\\u0000\\u0000X"', '"ab\\u0000\\u0000\\u0000"', '"abcdXf"', '"abcdef"'])
})

t.test('a file that shrank and grows again may show at their place the bytes that it lost', async (t) => {
  let seen = 0
  for (const seed of SEEDS) {
    const disk = new SimulatedDisk(seed)
    const file = await settled(disk, '/d/f', 'old '.repeat(3000))
    await file.truncate(4096)
    await file.sync()
    await file.write(filled(4096, 0x6e), 4096)
    const after = text(disk.crash({ survival: 0, staleness: 1 }), '/d/f')
    if (after.length === 8192 && after.slice(4096) === 'old '.repeat(1024)) seen++
  }
  t.ok(seen > 0, `seen ${seen} times`)
})

t.test('a sync covers what was acknowledged before it began, nothing later', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await settled(disk, '/d/f', '--')
  const early = file.write(Buffer.from('a'), 0)
  await Promise.all([file.sync(), early])
  t.equal(text(disk.afterCrashPrefix(0), '/d/f'), '--', 'the write had not been acknowledged')
  const syncing = file.sync()
  const late = file.write(Buffer.from('b'), 1)
  await Promise.all([syncing, late])
  t.equal(text(disk.afterCrashPrefix(0), '/d/f'), 'a-')
  t.same(disk.unsynced(), [{ kind: 'write', path: '/d/f', position: 1, length: 1 }])
})

t.test('a buffer that changes under a write is caught', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await settled(disk, '/d/f')
  const buffer = Buffer.from('abc')
  const writing = file.write(buffer, 0)
  buffer[1] = 0
  await t.rejects(writing, /changed before it was done/)
})

t.test('every prefix and subset can be asked for, names among them', async (t) => {
  const disk = new SimulatedDisk(1)
  await settled(disk, '/d/live', 'old')
  const file = await disk.open('/d/new', 'create')
  await file.write(Buffer.from('ne'), 0)
  await file.write(Buffer.from('w'), 2)
  await disk.rename('/d/new', '/d/live')
  t.same(
    disk.unsynced().map(({ kind }) => kind),
    ['create', 'write', 'write', 'rename'],
  )
  const states = [0, 1, 2, 3, 4].map((count) => {
    const next = disk.afterCrashPrefix(count)
    return next.paths().map((path) => `${path}=${text(next, path)}`)
  })
  t.same(states, [
    ['/d/live=old'],
    ['/d/live=old', '/d/new='],
    ['/d/live=old', '/d/new=ne'],
    ['/d/live=old', '/d/new=new'],
    ['/d/live=new'],
  ])
  const renameOnly = disk.afterCrashSubset(({ kind }) => kind === 'rename')
  t.same(renameOnly.paths(), ['/d/live'])
  t.equal(text(renameOnly, '/d/live'), '', 'renamed before it was synced: the name without the data')
  const torn = new Set(SEEDS.map(() => text(disk.afterCrashPrefix(1, 'bytes'), '/d/new')))
  t.same([...torn].sort(), ['', 'n', 'ne'])
  await file.write(Buffer.from('!'), 3)
  t.equal(text(disk, '/d/live'), 'new!', 'the disk went on')
})

t.test('names are durable after the folder is synced; before, a prefix of the changes is', async (t) => {
  const names = async (disk: SimulatedDisk) => {
    await settled(disk, '/d/live', 'old')
    const file = await disk.open('/d/new', 'create')
    await file.write(Buffer.from('new'), 0)
    await file.sync()
    await disk.rename('/d/new', '/d/live')
    return disk
  }
  const undone = await outcomes(async (disk) => {
    const next = (await names(disk)).crash()
    return next
      .paths()
      .map((path) => `${path}=${text(next, path)}`)
      .join(' ')
  })
  t.same(undone, ['/d/live=new', '/d/live=old', '/d/live=old /d/new=new'])
  const done = await outcomes(async (disk) => {
    await (await names(disk)).syncDirectory('/d')
    const next = disk.crash()
    return next
      .paths()
      .map((path) => `${path}=${text(next, path)}`)
      .join(' ')
  })
  t.same(done, ['/d/live=new'])
  const removed = await outcomes(async (disk) => {
    await settled(disk, '/d/f', 'x')
    await disk.remove('/d/f')
    await disk.remove('/d/f')
    return disk.crash().paths().join()
  })
  t.same(removed, ['', '/d/f'])
})

t.test('after a crash the old handles and the old disk are dead, the new one is not', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await settled(disk, '/d/f', 'x')
  const underWay = file.sync()
  const next = disk.crash()
  await t.rejects(underWay, { code: 'POWER_LOSS' })
  await t.rejects(file.write(filled(1, 1), 0), { code: 'POWER_LOSS' })
  await t.rejects(file.read(filled(1, 1), 0), { code: 'POWER_LOSS' })
  t.throws(() => file.readSync(filled(1, 1), 0), { code: 'POWER_LOSS' })
  t.throws(() => file.size(), { code: 'POWER_LOSS' })
  await t.rejects(disk.open('/d/f', 'read'), { code: 'POWER_LOSS' })
  await t.rejects(disk.rename('/d/f', '/d/g'), { code: 'POWER_LOSS' })
  const reopened = await next.open('/d/f', 'write')
  await reopened.write(filled(1, 0x79), 0)
  await reopened.sync()
  t.equal(text(next.crash(), '/d/f'), 'y', 'crashes come in succession')
})

t.test('a failed sync: lost pages read back as written and count as clean', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await settled(disk, '/d/f', '-'.repeat(1024))
  await file.write(filled(1024, 0x61), 0)
  disk.inject({ on: 'sync', losing: 1 })
  await t.rejects(file.sync(), { code: 'EIO' })
  t.equal(text(disk, '/d/f'), 'a'.repeat(1024), 'visible')
  await file.sync()
  t.equal(text(disk.afterCrash({ survival: 1 }), '/d/f'), '-'.repeat(1024), 'the good sync proved nothing')
  await file.write(filled(512, 0x61), 512)
  await file.sync()
  t.equal(text(disk.afterCrash(), '/d/f'), `${'-'.repeat(512)}${'a'.repeat(512)}`, 'only new bytes are')
  t.equal(text(disk, '/d/f'), 'a'.repeat(1024))
  disk.dropCaches()
  t.equal(text(disk, '/d/f'), `${'-'.repeat(512)}${'a'.repeat(512)}`)
})

t.test('a failed sync loses some sectors, and the rest may still land', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', '-'.repeat(1024))
    await file.write(filled(1024, 0x61), 0)
    disk.inject({ on: 'sync', losing: 0.5 })
    await file.sync().catch(() => undefined)
    await file.sync()
    const after = text(disk.crash(), '/d/f')
    return `${after[0]}${after[512]}`
  })
  t.same(found, ['--', '-a', 'a-', 'aa'])
})

t.test('faults: once, for good, after some have passed, by path, taken back', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await settled(disk, '/d/f', 'x')
  const other = await settled(disk, '/d/other', 'x')
  disk.inject({ on: 'sync', path: '/d/f', after: 1 })
  await file.sync()
  await other.sync()
  await t.rejects(file.sync(), { code: 'EIO' })
  await file.sync()
  const heal = disk.inject({ on: 'sync', path: /f$/, times: Number.POSITIVE_INFINITY, code: 'ENOSPC' })
  for (let i = 0; i < 3; i++) await t.rejects(file.sync(), { code: 'ENOSPC' })
  await other.sync()
  heal()
  await file.sync()
  for (const on of ['read', 'truncate'] as const) disk.inject({ on, path: '/d/f' })
  t.throws(() => file.readSync(filled(1, 0), 0), { code: 'EIO' })
  t.equal(file.readSync(filled(1, 0), 0), 1)
  await t.rejects(file.truncate(0), { code: 'EIO' })
  t.equal(text(disk, '/d/f'), 'x')
  disk.inject({ on: 'rename' })
  await t.rejects(disk.rename('/d/f', '/d/g'), { code: 'EIO' })
  t.same(disk.paths(), ['/d/f', '/d/other'])
  disk.inject({ on: 'syncDirectory' })
  await disk.rename('/d/f', '/d/g')
  await t.rejects(disk.syncDirectory('/d'), { code: 'SYNC_FAILED', cause: { code: 'EIO' } })
  t.same(disk.afterCrashPrefix(0).paths(), ['/d/f', '/d/other'])
})

t.test('a failed write leaves a prefix behind', async (t) => {
  const found = await outcomes(async (disk) => {
    const file = await settled(disk, '/d/f', '-----')
    disk.inject({ on: 'write', code: 'ENOSPC' })
    await file.write(Buffer.from('abc'), 4).catch((error) => {
      if (error.code !== 'ENOSPC') throw error
    })
    return text(disk, '/d/f')
  })
  t.same(found, ['-----', '----a', '----ab', '----abc'])
})

t.test('a test can cut the power at an exact operation', async (t) => {
  const run = async (cutAt: number) => {
    const seen: string[] = []
    const disk: SimulatedDisk = new SimulatedDisk(1, {
      onOperation: (kind, path, n) => {
        seen.push(`${n} ${kind} ${path}`)
        if (n === cutAt) disk.powerOff()
      },
    })
    const error = await settled(disk, '/d/f', 'x').then(
      () => undefined,
      (thrown: Error) => thrown,
    )
    return { seen, error, unsynced: disk.unsynced().length }
  }
  const whole = await run(0)
  t.same(whole.seen, ['1 create /d/f', '2 write /d/f', '3 sync /d/f', '4 syncDirectory /d'])
  t.equal(whole.error, undefined)
  for (const [cutAt, unsynced] of [
    [1, 0],
    [2, 1],
    [3, 2],
    [4, 1],
  ] as const) {
    const cut = await run(cutAt)
    t.equal(cut.seen.length, cutAt)
    t.match(cut.error, { code: 'POWER_LOSS' })
    t.equal(cut.unsynced, unsynced)
  }
})

t.test('damage to data at rest', async (t) => {
  const disk = new SimulatedDisk(1)
  const file = await settled(disk, '/d/f', 'aaaabbbb')
  await file.write(Buffer.from('cccc'), 4)
  await file.sync()
  flipBit(disk, '/d/f', 0, 1)
  t.equal(text(disk, '/d/f'), 'caaacccc')
  swapBlocks(disk, '/d/f', 0, 4, 4)
  t.equal(text(disk, '/d/f'), 'cccccaaa')
  zeroRange(disk, '/d/f', 1, 2)
  t.equal(text(disk, '/d/f'), 'c\0\0ccaaa')
  staleWrite(disk, '/d/f', 4, 4)
  t.equal(text(disk, '/d/f'), 'c\0\0cbbbb')
  await file.write(Buffer.from('dd'), 0)
  await file.sync()
  misdirectWrite(disk, '/d/f', 0, 6, 2)
  t.equal(text(disk, '/d/f'), 'c\0\0cbbdd', 'the bytes before them came back where they should be')
  cutFile(disk, '/d/f', 3)
  t.equal(text(disk.crash(), '/d/f'), 'c\0\0', 'durable as well as visible')
})

t.test('files near 2^32 cost nothing and keep their positions', async (t) => {
  const disk = new SimulatedDisk(1)
  const start = 2 ** 32 - 700
  disk.install('/d/f', Buffer.from('end'), start)
  const file = await disk.open('/d/f', 'write')
  await file.write(filled(2000, 0x61), start + 3)
  t.equal(file.size(), start + 2003)
  for (let i = 0; i < 50; i++) {
    const next = disk.afterCrash({ staleness: 0 })
    const { durable } = next.inode('/d/f')
    t.equal(Buffer.from(durable.slice(start, 3)).toString(), 'end')
    t.ok(durable.length >= start + 3 && durable.pageCount <= 2)
  }
  await file.sync()
  const after = disk.crash().inode('/d/f').durable
  t.same(after.slice(start + 3, 2000), filled(2000, 0x61))
})

t.test('the same seed gives the same run', async (t) => {
  const run = async (seed: number) => {
    let disk = new SimulatedDisk(seed, { latencyTurns: 4 })
    const trace: string[] = []
    for (let round = 0; round < 5; round++) {
      disk.onOperation = (kind, path, n) => trace.push(`${n} ${kind} ${path}`)
      const file = await disk.open(`/d/${round}`, 'create')
      await Promise.all(
        [1, 2, 3].map((i) => file.write(disk.random.bytes(700), i * 600).then(() => trace.push(`${i}`))),
      )
      if (disk.random.bool()) await file.sync()
      if (disk.random.bool()) await disk.syncDirectory('/d')
      disk = disk.crash()
      for (const path of disk.paths())
        trace.push(`${path} ${Buffer.from(disk.content(path)).toString('hex')}`)
    }
    return trace.join('\n')
  }
  t.equal(await run(11), await run(11))
  t.not(await run(11), await run(12))
})

t.test('modes and closed files', async (t) => {
  const disk = new SimulatedDisk(1)
  await t.rejects(disk.open('/d/f', 'write'), { code: 'ENOENT' })
  const file = await settled(disk, '/d/f', 'x')
  await t.rejects(disk.open('/d/f', 'create'), { code: 'EEXIST' })
  const reader = await disk.open('/d/f', 'read')
  await t.rejects(reader.write(filled(1, 1), 0), { code: 'EBADF' })
  await t.rejects(reader.truncate(0), { code: 'EBADF' })
  await disk.remove('/d/f')
  t.equal(reader.readSync(filled(1, 0), 0), 1, 'an open file outlives its name')
  await file.close()
  await file.close()
  await t.rejects(file.sync(), { code: 'CLOSED' })
  await t.rejects(disk.rename('/d/f', '/d/g'), { code: 'ENOENT' })
})
