/** `davenport inspect` over a real database: its map, its groups and its nodes. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openStore } from '../../native-free-btree/index.ts'
import { runCommandLine } from '../../src/cli/command-line.ts'
import type { Console } from '../../src/cli/parts.ts'
import { systemParts } from '../../src/cli/system-parts.ts'
import { TREE_OPTIONS } from '../../src/database/layout/tree-options.ts'
import { edit, fileDatabase } from '../support/database-fixture.ts'

async function run(...args: string[]) {
  const told = { out: '', err: '' }
  const console: Console = {
    environment: {},
    out: (text) => {
      told.out += text
    },
    err: (text) => {
      told.err += text
    },
    errIsTerminal: true,
    onStopSignal: () => () => undefined,
    onHangUp: () => () => undefined,
    exit: () => undefined,
  }
  return { status: await runCommandLine(['inspect', ...args], systemParts, console), ...told }
}

/** Of a database with documents whose ids are markup, and escape sequences of terminals. */
async function file(folder: string): Promise<string> {
  const { database } = await fileDatabase(folder)
  const ids = ['<b>bold</b>', '"quoted" & more', '\u001b[2Jgone']
  await database.update(ids.map((id) => edit(id, { id })))
  await database.update(
    Array.from({ length: 2000 }, (_, i) => edit(`doc ${i}`, { text: 'x'.repeat(i % 500) })),
  )
  await database.close()
  const path = join(folder, 'a.nfb')
  // Its nodes lie in the file then, and not in the log alone.
  const store = await openStore(path, { trees: TREE_OPTIONS })
  await store.checkpoint()
  await store.close()
  return path
}

t.test('a map as a page, a drawing and JSON', async (t) => {
  const folder = t.testdir()
  const path = await file(folder)
  const page = join(folder, 'map.html')
  const made = await run(path, '--map', page)
  t.equal(made.status, 0)
  t.match(made.err, /\r\[#{30}\] 100 %/)
  const html = await readFile(page, 'utf8')
  t.match(html, /^<!doctype html>/)
  for (const title of ['document bodies', 'tree of documents (id)', 'superblocks', 'headers of groups']) {
    t.match(html, title)
  }
  t.match(html, /<summary>leaf <code>id\/0<\/code>/)
  t.match(html, 'durableEnd')
  t.match(html, /<summary>commit group at \d+/)
  t.notMatch(html, '<b>bold</b>', 'what a file says is text')
  t.notMatch(html, /https?:|<script|src=/, 'nothing is asked for elsewhere, and nothing runs')
  t.ok(html.length < 1_500_000, `${html.length} bytes`)
  t.equal(html.split('<details').length, html.split('</details>').length)

  const drawing = join(folder, 'map.svg')
  t.equal((await run(path, '--map', drawing)).status, 0)
  const svg = await readFile(drawing, 'utf8')
  t.match(svg, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/)
  t.match(svg, /<title>0 to \d+ \(\d+ bytes\)\n100\.0 % superblocks<\/title>/)

  const json = join(folder, 'map.json')
  t.equal((await run(path, '--map', json)).status, 0)
  const map = JSON.parse(await readFile(json, 'utf8')) as {
    fileBytes: number
    totals: number[]
    buckets: number[][]
  }
  t.equal(
    map.totals.reduce((sum, bytes) => sum + bytes, 0),
    map.fileBytes,
  )
  t.equal(svg.split('<title>').length - 2, map.buckets.length)
  t.equal((await run(path, '--map', join(folder, 'none', 'map.svg'))).status, 1)
})

t.test('nodes and groups', async (t) => {
  const folder = t.testdir()
  const path = await file(folder)
  const root = await run(path, '--node', 'id')
  t.match(root.out, /^inner id at \d+, \d+ bytes: 2003 entries of \d+ bytes\n {6}0 {2}"" {2}node at \d+: /)
  const leaf = await run(path, '--node', 'id/0')
  t.equal(leaf.status, 0)
  t.match(leaf.out, /^leaf id\/0 at \d+, \d+ bytes/)
  t.match(leaf.out, '"<b>bold</b>"')
  t.notMatch(leaf.out, '\u001b')
  t.equal((await run(path, '--node', 'meta')).status, 0)
  t.match(await run(path, '--node', 'id/0/0'), { status: 1, err: /there is no node id\/0\/0/ })
  t.match(await run(path, '--node', 'none'), { status: 1, err: /there is no tree none/ })
  t.match(await run(path, '--node', 'purge'), { status: 0, out: 'the tree purge is empty\n' })

  const position = Number(/^leaf id\/0 at (\d+)/.exec(leaf.out)![1])
  const group = await run(path, '--at', String(position))
  t.match(group.out, /^commit group at \d+, \d+ bytes, \d+ records\n/)
  t.match(group.out, new RegExp(`node at ${position - 5}, \\d+ bytes\n`))
  t.match(group.out, /number of cells: \d+/)
  const json = JSON.parse((await run(path, '--json', '--at', String(position))).out)
  t.equal(json.records[0].position, position - 5)
  t.match(await run(path, '--at', '999999999'), { status: 1, err: /no group of this file is at 999999999/ })
})

t.test('what makes no sense', async (t) => {
  for (const [args, pattern] of [
    [['x', '--map', 'x.png'], /--map x.png: its name must end with .html, .svg, .json/],
    [['x.svg', '--map', './x.svg'], /this is the database file/],
    [['x', '--at', 'x'], /--at x: expected a position/],
    [['x', '--node', 'id/x'], /--node id\/x: expected TREE/],
    [['x', '--node', 'id', '--at', '1'], /one of --map, --at and --node/],
    [['missing', '--map', 'x.html'], /missing: there is no such file/],
  ] as const) {
    t.match(await run(...args), { status: 2, out: '', err: pattern })
  }
})
