/** A thread that only writes need not take in the log: it knows when the rules of writing are others. */
import t from 'tap'
import type { Database, EditCheck } from '../../src/database/api/database.ts'
import { edit } from '../support/database-fixture.ts'
import { sharedDatabase } from '../support/followed-fixture.ts'

/** More than is taken in at one go. */
async function runAhead(core: Database, name: string): Promise<void> {
  const text = 'x'.repeat(1000)
  await core.update(Array.from({ length: 400 }, (_, n) => edit(`${name}${n}`, { text })))
}

t.test('rules are known while reads are behind, until they change', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  const look = async (): Promise<[string | undefined, boolean]> => {
    await front.refresh()
    return [front.security()?.toString(), front.hasValidation()]
  }
  t.equal(front.hasFreshRules, false, 'nobody has looked at them')
  await runAhead(core, 'first')
  await front.refresh()
  t.equal(front.hasFreshRules, true, 'whoever catches up looks at them')
  t.same(await look(), [undefined, false])
  await runAhead(core, 'a')
  t.equal(front.isFresh, false)
  t.equal(front.hasFreshRules, true)

  await core.setSecurity(Buffer.from('{"members":{"names":["a"]}}'))
  t.equal(front.hasFreshRules, false, 'after another _security')
  t.same(await look(), ['{"members":{"names":["a"]}}', false])
  t.equal(front.hasFreshRules, true)

  await runAhead(core, 'b')
  await core.update([edit('_design/d', { validate_doc_update: 'function () {}' })])
  t.equal(front.hasFreshRules, false, 'after a design document')
  t.same(await look(), ['{"members":{"names":["a"]}}', true])
  t.equal(front.hasFreshRules, true)

  await runAhead(core, 'c')
  t.equal(front.isFresh, false)
  t.equal(front.get('c399').id, 'c399', 'a read')

  await core.close()
  t.equal(front.hasFreshRules, false, 'the writer has closed it')
})

t.test('one document is written while reads are behind, under the rules of now', async (t) => {
  const { core, follow } = await sharedDatabase(t)
  const { database: front } = await follow()
  const asked: string[] = []
  const check: EditCheck = {
    isNeeded: () => front.hasValidation(),
    look: async (edits) => {
      for (const { edit } of edits) asked.push(edit.id)
      return edits.map(() => undefined)
    },
  }
  const write = async (id: string): Promise<boolean> => (await front.update([edit(id)], { check }))[0]!.ok
  await runAhead(core, 'first')
  await front.refresh()
  await runAhead(core, 'a')
  t.equal(front.isFresh, false)
  t.equal(await write('x'), true)
  t.equal(front.isFresh, false, 'the log was not taken in')
  t.equal(front.get('x').id, 'x', 'who reads sees it')

  await runAhead(core, 'b')
  await core.update([edit('_design/d', { validate_doc_update: 'function () {}' })])
  t.same(asked, [])
  t.equal(await write('y'), true)
  t.same(asked, ['y'], 'a design document that came is asked')
})

t.test(
  'rules are looked at when the trees have been settled, in turns: else others are held up',
  async (t) => {
    const { core, follow } = await sharedDatabase(t)
    const { database: front } = await follow()
    const check: EditCheck = { isNeeded: () => front.hasValidation(), look: async () => [] }
    /** Much that is taken in and not in the trees, and other rules. */
    const load = async (name: string): Promise<void> => {
      await core.update(Array.from({ length: 3000 }, (_, n) => edit(`${name}${n}`)))
      front.get(`${name}0`)
      await core.update([edit(`_design/${name}`)])
      t.equal(front.isFresh, true)
      t.equal(front.knowsRules, false)
    }
    const isSettled = (): boolean => front.settle() === undefined

    await load('a')
    await front.learnRules()
    t.equal(front.hasFreshRules, true)
    t.equal(isSettled(), true, 'by who asks for them')

    await load('b')
    t.match(await front.update([edit('x')], { check }), [{ ok: true }])
    t.equal(isSettled(), true, 'by who writes')
  },
)
