/** What is told of groups, records and nodes: every byte has a field, called as FORMAT.md calls it, that says what the decoder says. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import xxhash from 'xxhash-wasm'
import { type DescribedField, type NodeHandle, openInspection } from '../../native-free-btree/index.ts'
import { decodeFile } from '../support/format-decoder.ts'
import { treesOfFile } from '../support/format-trees.ts'
import {
  byLength,
  CLOSED_FIXTURE,
  FIXTURE_TREES,
  UNCLOSED_FIXTURE,
  valueLengths,
} from '../support/make-format-fixture.ts'

const { h64Raw } = await xxhash()
const FUNCTIONS = {
  comparators: { [byLength.name]: byLength.compare },
  reducers: { [valueLengths.name]: valueLengths },
}
const words = (text: string): string => text.replace(/[`*|]/g, ' ').replace(/\s+/g, ' ')
const FIXTURES = [CLOSED_FIXTURE, UNCLOSED_FIXTURE].map((name) => `test/fixtures/${name}`)
const FORMAT = words(readFileSync('native-free-btree/FORMAT.md', 'utf8'))

const told = (fields: readonly DescribedField[], name: string): string | undefined =>
  fields.find((field) => field.name === name)?.value

/** Where the fields, one behind the other, end. */
function endOf(fields: readonly DescribedField[], start: number): number {
  return fields.reduce((at, { position, length }) => (position === at ? at + length : Number.NaN), start)
}

t.test('groups, records and superblocks', async (t) => {
  for (const path of FIXTURES) {
    const decoded = decodeFile(readFileSync(path), (bytes, seed) => h64Raw(bytes, seed))
    const inspection = await openInspection(path, { trees: FIXTURE_TREES })
    const slots = await inspection.superblocks()
    t.same(
      slots.map((fields, i) => endOf(fields, i * 4096)),
      [512, 4608],
    )
    t.same(
      slots.map((fields) => Number(told(fields, 'durableEnd'))),
      decoded.superblocks.map(({ durableEnd }) => durableEnd),
    )
    const unknown = new Set<string>()
    const note = (fields: readonly DescribedField[]): void => {
      for (const { name } of fields) if (!FORMAT.includes(words(name))) unknown.add(name)
    }
    slots.forEach(note)
    for (const group of decoded.groups) {
      const found = await inspection.group(group.position)
      t.equal(endOf(found.fields, group.position), group.position + 128)
      note(found.fields)
      t.match(found, { type: group.type, length: group.length, recordCount: group.recordCount })
      t.equal(Number(told(found.fields, 'commit number')), group.commit)
      t.equal(told(found.fields, 'hash of bytes 0 to 119'), `0x${group.hash.toString(16).padStart(16, '0')}`)
      t.same(
        found.records.map(({ type }) => type),
        group.records.map(({ type }) => type),
      )
      let at = group.position + 128
      for (const { type, position, length, fields } of found.records) {
        if (position !== at || endOf(fields, at) !== at + length)
          t.fail(`the record at ${position}, at ${at}`)
        at += length
        if (type !== 'checkpoint') note(fields)
      }
      const middle = found.records[Math.floor(found.records.length / 2)]
      if (middle === undefined) continue
      const inside = middle.position + middle.length - 1
      t.equal(await inspection.groupAt(inside), group.position)
      t.same((await inspection.group(group.position, { at: inside, most: 1 })).records, [middle])
    }
    t.same([...unknown], [], 'names that FORMAT.md does not know')
    t.equal((await inspection.group(8192)).type, 'genesis')
    t.equal((await inspection.group(inspection.lastGroup!)).position, decoded.groups.at(-1)!.position)
    await t.rejects(inspection.group(8200), { code: 'NOT_FOUND' })
    await t.rejects(inspection.groupAt(decoded.groups.at(-1)!.position + 1e9), { code: 'NOT_FOUND' })
    await inspection.close()
    await t.rejects(inspection.group(8192), { code: 'CLOSED' })
  }
})

t.test('nodes, down to their cells', async (t) => {
  for (const path of FIXTURES) {
    const decoded = decodeFile(readFileSync(path), (bytes, seed) => h64Raw(bytes, seed))
    const inspection = await openInspection(path, { trees: FIXTURE_TREES })
    for (const { definition, entries } of treesOfFile(decoded, FUNCTIONS).values()) {
      const found: { key: Buffer; outOfLine: boolean }[] = []
      const walk = (handle: NodeHandle): void => {
        const node = inspection.node(handle)
        if (node.position !== undefined) {
          const page = decoded.pages.get(node.position)
          t.equal(page?.length, node.length)
          t.equal(page?.content.kind === 'patch', node.base !== undefined)
        }
        for (const { key, child, reference } of node.cells) {
          if (child !== undefined) walk(child)
          else found.push({ key: Buffer.from(key), outOfLine: reference !== undefined })
        }
      }
      const root = inspection.root(definition.name)
      if (root !== undefined) walk(root)
      t.equal(root?.count ?? 0, entries.length)
      t.same(
        found,
        entries.map(({ key, outOfLine }) => ({ key, outOfLine })),
        definition.name,
      )
    }
    t.throws(() => inspection.root('none'), { code: 'UNKNOWN_TREE' })
    t.throws(() => inspection.node({ position: 0, length: 0, count: 0, bytes: 0 }), {
      code: 'INVALID_ARGUMENT',
    })
    await inspection.close()
  }
})
