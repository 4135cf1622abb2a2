/**
 * `check` called a file damaged whose only fault was what a power cut leaves: a superblock that was not written whole,
 * or the end of a commit that nobody was told of. And it told a missing file by the status of a damaged one.
 */
import { appendFileSync, copyFileSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { acquireLock, openStore } from '../../native-free-btree/index.ts'
import { runCommandLine } from '../../src/cli/command-line.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'

const SLOT_BYTES = 4096

async function davenport(...args: string[]) {
  const said = { out: '', err: '' }
  const status = await runCommandLine(args, systemParts, {
    environment: {},
    out: (text) => {
      said.out += text
    },
    err: (text) => {
      said.err += text
    },
    errIsTerminal: false,
    onStopSignal: () => () => undefined,
    onHangUp: () => () => undefined,
    exit: (code) => {
      throw new Error(`exit ${code}`)
    },
  })
  return { status, ...said }
}

/** Bytes of `path` from `position` on are xored with 0xff. */
function flip(path: string, position: number, length: number): void {
  const bytes = readFileSync(path)
  for (let i = position; i < position + length; i++) bytes[i] = bytes[i]! ^ 0xff
  writeFileSync(path, bytes)
}

t.test('what a power cut leaves is told apart from damage', async (t) => {
  const folder = t.testdir()
  const closed = join(folder, 'closed')
  const killed = join(folder, 'killed')
  const store = await openStore(closed, { trees: TREE_OPTIONS, lock: acquireLock })
  for (const value of ['one', 'two']) {
    await store.transact((tx) => tx.put('local', Buffer.from('key'), Buffer.from(value)))
  }
  // As a kill leaves it.
  copyFileSync(closed, killed)
  await store.close()
  const left = async (name: string, from: string, change: (path: string) => void) => {
    const path = join(folder, name)
    copyFileSync(from, path)
    change(path)
    return davenport('check', path)
  }

  t.match(await davenport('check', closed), { status: 0, out: /closed: sound \(/ })
  t.match(await davenport('check', killed), {
    status: 0,
    out: /killed: sound; not closed: .* recovers it/,
  })
  for (const slot of [0, 1]) {
    // The sequence, the end, the commit: what a write changes.
    const torn = await left(`torn-${slot}`, killed, (path) => flip(path, slot * SLOT_BYTES + 48, 40))
    t.match(torn, { status: 0, out: /note: superblocks: one of 2 slots was not written whole\n/ })
    const opening = await left(`opening-${slot}`, closed, (path) => flip(path, slot * SLOT_BYTES + 504, 8))
    t.match(opening, { status: 0, out: /opening-\d: sound; not closed/ }, 'also behind a good close')
    const wrong = await left(`wrong-${slot}`, killed, (path) => flip(path, slot * SLOT_BYTES + 16, 1))
    t.match(wrong, { status: 1, out: /superblocks: 1 of 2 slots/ }, 'the uuid never changes')
    const zeros = await left(`zeros-${slot}`, closed, (path) => {
      const bytes = readFileSync(path)
      writeFileSync(path, bytes.fill(0, slot * SLOT_BYTES, slot * SLOT_BYTES + 512))
    })
    t.match(zeros, { status: 1, out: /superblocks: 1 of 2 slots/ })
  }
  const cut = await left('cut', killed, (path) => flip(path, statSync(path).size - 20, 8))
  t.match(cut, { status: 0, out: /note: position \d+: \d+ bytes of a commit that is not whole/ })
  const more = await left('more', closed, (path) => appendFileSync(path, Buffer.alloc(300, 7)))
  t.match(more, { status: 0, out: /300 bytes of a commit that is not whole/ })
  const damaged = await left('damaged', closed, (path) => flip(path, statSync(path).size - 20, 8))
  t.match(damaged, { status: 1 }, 'a closed file has no end that a crash may have cut')
  const both = await left('both', closed, (path) => {
    flip(path, 48, 8)
    flip(path, SLOT_BYTES + 48, 8)
  })
  t.match(both, { status: 1, out: /superblocks: 2 of 2 slots/ }, 'no crash tears both')
})

t.test('what is no database file has its own status', async (t) => {
  const folder = t.testdir({ file: 'text' })
  for (const command of ['check', 'inspect', 'compact']) {
    for (const [path, reason] of [
      [join(folder, 'missing'), /missing: there is no such file or folder/],
      [folder, /: this is a folder, not a database file/],
      [join(folder, 'file', 'x'), /x: a part of this path is a file, not a folder/],
    ] as const) {
      t.match(await davenport(command, path), { status: 2, out: '', err: reason }, command)
    }
  }
  const serve = await davenport('serve', '--port', '0', '--data-dir', join(folder, 'file', 'x'))
  t.match(serve, { status: 1, err: /a part of this path is a file, not a folder \(ENOTDIR\)\n$/ })
})
