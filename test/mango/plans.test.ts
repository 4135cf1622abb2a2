/**
 * Whatever index answers a query, its answer is that of looking at all documents: random documents, indexes and selectors
 * over a socket, held against the selector alone.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { compareValues } from '../../src/json/collation.ts'
import { ask, type Reply } from '../support/http-request.ts'
import { startTestServer, type TestServer } from '../support/http-server.ts'
import { propertySeed } from '../support/property-seed.ts'
import { selecting } from '../support/selected-document.ts'

type Document = { _id: string; [member: string]: unknown }

const scalar = fc.constantFrom<unknown>(
  null,
  true,
  false,
  0,
  -1,
  1,
  2,
  2.5,
  10,
  'a',
  'A',
  'b',
  'ä',
  '',
  'ab',
  'a b',
)
const value = fc.oneof(
  { weight: 4, arbitrary: scalar },
  fc.array(scalar, { maxLength: 2 }),
  fc.dictionary(fc.constantFrom('x', 'y'), scalar, { maxKeys: 2 }),
)
const content = fc.record(
  { a: value, b: value, c: value, d: fc.record({ x: value }, { requiredKeys: [] }) },
  { requiredKeys: [] },
)
const field = fc.constantFrom('a', 'b', 'c', 'd.x')
const indexFields = fc.uniqueArray(field, { minLength: 1, maxLength: 3 })

const comparison = fc.record({ operator: fc.constantFrom('$lt', '$lte', '$eq', '$gte', '$gt'), value })
const condition = fc.oneof(
  { weight: 3, arbitrary: comparison.map(({ operator, value }) => ({ [operator]: value })) },
  fc.tuple(comparison, comparison).map(([one, other]) => ({
    [one.operator]: one.value,
    [other.operator]: other.value,
  })),
  value.filter((each) => typeof each !== 'object' || each === null),
  fc.boolean().map((flag) => ({ $exists: flag })),
  fc.constantFrom('', 'a', 'A', 'ä', 'a ').map((start) => ({ $beginsWith: start })),
  value.map((each) => ({ $ne: each })),
  fc.array(scalar, { maxLength: 3 }).map((each) => ({ $in: each })),
  fc.constantFrom('string', 'number', 'object').map((type) => ({ $type: type })),
  comparison.map(({ operator, value }) => ({ $not: { [operator]: value } })),
)
const plain = fc.dictionary(field, condition, { minKeys: 1, maxKeys: 3 })
const selector = fc.oneof(
  { weight: 4, arbitrary: plain },
  fc.array(plain, { minLength: 1, maxLength: 3 }).map((each) => ({ $or: each })),
  fc
    .tuple(plain, fc.array(plain, { minLength: 1, maxLength: 2 }))
    .map(([one, more]) => ({ ...one, $or: more })),
  fc.array(plain, { minLength: 1, maxLength: 2 }).map((each) => ({ $nor: each })),
)
const query = fc.record({
  selector,
  sort: fc.option(fc.tuple(field, fc.constantFrom('asc', 'desc')), { nil: undefined }),
  page: fc.integer({ min: 5, max: 40 }),
  fields: fc.option(fc.uniqueArray(field, { minLength: 1, maxLength: 2 }), { nil: undefined }),
})

function memberOf(document: Document, path: string): unknown {
  return path.split('.').reduce<unknown>((at, name) => {
    if (typeof at !== 'object' || at === null || Array.isArray(at)) return undefined
    return Object.hasOwn(at, name) ? (at as Record<string, unknown>)[name] : undefined
  }, document)
}

class Queries {
  readonly #server: TestServer
  readonly #documents: readonly Document[]
  answered = 0
  indexed = 0

  constructor(server: TestServer, documents: readonly Document[]) {
    this.#server = server
    this.#documents = documents
  }

  #find(body: object): Promise<Reply> {
    return ask(this.#server, 'POST /plans/_find', { json: body })
  }

  async check(t: Test, given: typeof query extends fc.Arbitrary<infer Q> ? Q : never): Promise<void> {
    const { selector, sort, page, fields } = given
    const what = JSON.stringify(given)
    const body = {
      selector,
      ...(sort && { sort: [{ [sort[0]]: sort[1] }] }),
      ...(fields && { fields: ['_id', ...fields] }),
    }
    const { status, json } = await this.#find({ ...body, limit: 1000 })
    if (status === 400) {
      t.match(json, { error: 'no_usable_index' }, what)
      return
    }
    this.answered += 1
    const { docs, warning } = json as { docs: Document[]; warning?: string }
    if (warning?.includes('No matching index') !== true) this.indexed += 1
    const matches = selecting(selector)
    const meant = this.#documents.filter(matches)
    // A sort leaves documents out that lack its field, if the selector allows for such.
    const wanted = sort === undefined ? meant : meant.filter((each) => memberOf(each, sort[0]) !== undefined)
    const ids = docs.map(({ _id }) => _id)
    t.same([...ids].sort(), wanted.map(({ _id }) => _id).sort(), what)
    if (sort !== undefined) this.#checkOrder(t, ids, sort, what)
    if (sort === undefined) {
      const counted = await this.#find({ selector, count: true })
      t.match(counted.json, { count: meant.length }, `count of ${what}`)
    }
    t.same(await this.#paged(body, page), ids, `pages of ${what}`)
  }

  #checkOrder(t: Test, ids: readonly string[], [name, direction]: [string, string], what: string): void {
    const values = ids.map((id) => memberOf(this.#documents.find(({ _id }) => _id === id)!, name))
    const sign = direction === 'asc' ? 1 : -1
    const isOrdered = values.every((each, at) => at === 0 || compareValues(values[at - 1], each) * sign <= 0)
    t.ok(isOrdered, `order of ${what}`)
  }

  async #paged(body: object, limit: number): Promise<string[]> {
    const ids: string[] = []
    let bookmark: string | undefined
    for (;;) {
      const { json } = await this.#find({ ...body, limit, ...(bookmark && { bookmark }) })
      const { docs, bookmark: next } = json as { docs: Document[]; bookmark?: string }
      ids.push(...docs.map(({ _id }) => _id))
      if (docs.length < limit) return ids
      bookmark = next
    }
  }
}

t.test('every plan answers as looking at all documents does', { timeout: 120_000 }, async (t) => {
  const seed = propertySeed(t)
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const contents = fc.sample(content, { numRuns: 90, seed })
  const documents = contents.map((each, at): Document => ({ _id: `d${at}`, ...each }))
  await ask(server, 'PUT /plans')
  await ask(server, 'POST /plans/_bulk_docs', { json: { docs: documents } })
  for (const [at, fields] of fc.sample(indexFields, { numRuns: 7, seed }).entries()) {
    await ask(server, 'POST /plans/_index', {
      json: { index: { fields }, ddoc: `i${at % 3}`, name: `n${at}` },
    })
  }
  const queries = new Queries(server, documents)
  await fc.assert(
    fc.asyncProperty(query, (each) => queries.check(t, each)),
    { numRuns: 100, seed },
  )
  t.ok(queries.indexed > 20, `${queries.indexed} of ${queries.answered} queries used an index`)
})
