/** `lab show`: a file from the superblocks to the cells, by words and by keys. */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { openInspection, openStore } from '../../native-free-btree/index.ts'
import { browse } from '../../src/lab/show/browser.ts'
import { lab } from '../support/lab-command.ts'

async function made(t: Test): Promise<string> {
  const path = join(t.testdir(), 'store.nfb')
  const store = await openStore(path, { trees: { entries: {}, none: {} } })
  for (let from = 0; from < 2000; from += 500) {
    await store.transact((tx) => {
      for (let i = from; i < from + 500; i++) {
        tx.put('entries', Buffer.from(`key${String(i).padStart(5, '0')}`), Buffer.alloc(40, `v${i} `))
      }
    })
  }
  await store.close()
  return path
}

t.test('by words', async (t) => {
  const path = await made(t)
  const all = await lab('show', path)
  t.equal(all.status, 0)
  t.match(all.out, /\ncommit: 4\n[\s\S]*tree entries: 2000 entries[\s\S]*\nempty: none\n/)
  t.match(all.out, /slot 1\n[\s\S]*flags: 1 \(closed in good order\)/)
  t.match(
    all.out,
    /commit group at \d+, \d+ bytes, 500 records\nprevious group at \d+\n[\s\S]*… and 300 records more/,
  )
  t.match(all.out, /inner entries [^\n]*\n → +0 [\s\S]*leaf entries\/0 /)

  const way = await lab('show', path, '--tree', 'entries', '--key', 'key00777')
  t.match(way.out, /^inner entries /)
  t.match(way.out, /\n → +\d+ {2}"key00777" {2}40 bytes: "v777 v777/)
  const taken = /→ +(\d+)/.exec(way.out)?.[1]
  const node = await lab('show', path, '--at', `entries/${taken}`)
  t.match(node.out, new RegExp(`^leaf entries/${taken} [^\\n]*\\n +0  "key[\\s\\S]*"key00777"`))
  const between = await lab('show', path, '--tree', 'entries', '--key', '0x6b657930303737372e')
  t.match(between.out, /leaf entries\/\d+ /)
  t.equal(between.out.match(/→/g)?.length, 1, 'there is no cell of that key')

  const group = await lab('show', path, '--at', '8200')
  t.match(group.out, /^genesis group at 8192, /)
  for (const [words, message] of [
    [['--at', 'entries/999'], /there is no node entries\/999/],
    [['--at', 'others'], /others/],
    [['--key', 'x'], /--key and --tree go together/],
  ] as const) {
    t.match(await lab('show', path, ...words), { status: 2, out: message })
  }
  t.match(await lab('show', `${path}.none`), { status: 2, out: /there is no store/ })
})

t.test('by keys', async (t) => {
  const path = await made(t)
  const inspection = await openInspection(path)
  const screens: string[] = []
  const go = async (...keys: string[]): Promise<string> => {
    const left = [...keys]
    await browse(inspection, 'a.nfb', {
      rows: 12,
      columns: 60,
      write: (text) => screens.push(text.replaceAll('\u001b', '␛')),
      key: async () => left.shift(),
    })
    // The last thing that was written leaves the screen.
    return screens.at(-2)!
  }
  const top = await go()
  t.match(top, /a\.nfb: file\r\n[\s\S]*␛\[7m→ superblocks/, 'the first row that leads anywhere is chosen')
  t.match(await go('return', 'down'), /a\.nfb: superblocks/)
  t.match(await go('down', 'down', 'down', 'right'), /: inner entries [\s\S]*␛\[7m→ +0 /)
  const leaf = await go('down', 'down', 'down', 'right', 'down', 'return', 'pagedown')
  t.match(leaf, /: leaf entries\/1 [\s\S]*␛\[7m +\d+ {2}"key/)
  t.ok(leaf.split('\r\n').length <= 12, 'no more than there is room for')
  t.match(
    await go('down', 'down', 'down', 'right', 'left', 'left', 'x'),
    /: file\r\n/,
    'and up again, no further',
  )
  t.match(await go('down', 'down', 'q', 'return'), /: file\r\n/, 'q ends it')
  t.equal(screens.at(-1), '␛[?25h␛[?1049l')
  await inspection.close()
})
