/**
 * Design documents and their views, for administrators. They are for looking at a database: a view is mapped when it is asked
 * for, over the documents that there are, and is bounded in its rows.
 */
import { hash } from 'node:crypto'
import { giveWay } from '../../base/time-slice.ts'
import { compareValues } from '../../json/collation.ts'
import { documentText } from '../../json/writer.ts'
import { Design } from '../../scripting/design.ts'
import { visitRows } from '../../scripting/rows.ts'
import { ScriptError } from '../../scripting/script-error.ts'
import { isObject } from '../config.ts'
import { badRequest, forbidden, GatewayError, missing } from '../errors.ts'
import type { GatewayDatabase } from '../gateway-database.ts'
import { type Answer, empty, json } from './answer.ts'
import type { Exchange } from './exchange.ts'

const NOTES = 'design/'
/** What names of Sync Gateway's own begin with. */
const OWN_NAMES = 'sync_'
/** The one that users read. */
const FILTERS = 'sync_gateway'
const MOST_ROWS = 100_000
const BATCH = 200

interface ViewRow {
  id: string
  key: unknown
  value: unknown
  doc?: unknown
}

function requireAdmin({ isAdmin }: Exchange): void {
  if (!isAdmin) throw forbidden()
}

/** Sync Gateway's own are nobody's. */
function requireOwner(exchange: Exchange): void {
  requireAdmin(exchange)
  if (exchange.param(1).startsWith(OWN_NAMES)) throw forbidden()
}

/**
 * What CouchDB's replicator hashes into the id of a replication with the filter `sync_gateway/bychannel`: another text when the sync
 * function is another, in the form that it has in Sync Gateway.
 */
function filterText({ config: { sync } }: GatewayDatabase): string {
  return sync === undefined ? 'ok' : `[${[...hash('sha1', sync, 'buffer')].join(' ')}]`
}

function designOf({ database }: Exchange, name: string): Record<string, unknown> {
  const design = database.local.note(NOTES + name)
  if (!isObject(design)) throw missing()
  return design
}

export async function getDesign(exchange: Exchange): Promise<Answer> {
  if (exchange.param(1) === FILTERS) return json({ filters: { bychannel: filterText(exchange.database) } })
  requireOwner(exchange)
  return json(designOf(exchange, exchange.param(1)))
}

export async function putDesign(exchange: Exchange): Promise<Answer> {
  requireOwner(exchange)
  const design = await exchange.json()
  if (!isObject(design)) throw badRequest('Bad JSON')
  await exchange.database.local.setNote(NOTES + exchange.param(1), design)
  return empty(201)
}

export async function deleteDesign(exchange: Exchange): Promise<Answer> {
  requireOwner(exchange)
  designOf(exchange, exchange.param(1))
  await exchange.database.local.removeNote(NOTES + exchange.param(1))
  return empty()
}

export async function getView(exchange: Exchange): Promise<Answer> {
  requireAdmin(exchange)
  const { views } = designOf(exchange, exchange.param(1))
  const view =
    isObject(views) && Object.hasOwn(views, exchange.param(2)) ? views[exchange.param(2)] : undefined
  const map = isObject(view) ? view['map'] : undefined
  if (typeof map !== 'string') throw missing()
  const wished = wishOf(exchange)
  const reduce = exchange.query.get('reduce') === 'false' ? undefined : reducerOf(view)
  const found = (await mappedRows(exchange, map)).filter(wished)
  if (exchange.flag('descending')) found.reverse()
  const shown = found.slice(0, exchange.count('limit'))
  const rows = reduce === undefined ? withDocuments(exchange, shown) : groups(exchange, shown, reduce)
  return json({ total_rows: rows.length, rows, Collator: {} })
}

type Reduce = (rows: readonly ViewRow[]) => number

/** Throws 501 for another one than Sync Gateway has without a server behind it. */
function reducerOf(view: unknown): Reduce | undefined {
  const name = isObject(view) ? view['reduce'] : undefined
  if (name === undefined || name === null || name === '') return undefined
  if (name === '_count') return (rows) => rows.length
  if (name === '_sum') return (rows) => rows.reduce((sum, { value }) => sum + (Number(value) || 0), 0)
  throw new GatewayError(501, 'Only _count and _sum reduce views')
}

function groups(exchange: Exchange, rows: readonly ViewRow[], reduce: Reduce): ViewRow[] {
  const level = exchange.count('group_level')
  if (!exchange.flag('group') && level === undefined) return [{ id: '', key: null, value: reduce(rows) }]
  const prefix = (key: unknown): unknown =>
    Array.isArray(key) && !exchange.flag('group') ? key.slice(0, level) : key
  const found: { key: unknown; rows: ViewRow[] }[] = []
  for (const row of rows) {
    const key = prefix(row.key)
    const last = found.at(-1)
    if (last !== undefined && compareValues(last.key, key) === 0) last.rows.push(row)
    else found.push({ key, rows: [row] })
  }
  return found.map(({ key, rows: ofKey }) => ({ id: '', key, value: reduce(ofKey) }))
}

/** A document as the gateway stores it: its id and revision are no members. */
function withDocuments(exchange: Exchange, rows: ViewRow[]): ViewRow[] {
  if (!exchange.flag('include_docs')) return rows
  const { database } = exchange
  return rows.map((row) => {
    const view = database.database.lookup(row.id)?.document()
    return view === undefined ? row : { ...row, doc: JSON.parse(database.recorded(view).body.toString()) }
  })
}

/** Keys of the query. */
function wishOf({ query }: Exchange): (row: ViewRow) => boolean {
  const given = (name: string): unknown => {
    const text = query.get(name)
    if (text === null) return undefined
    try {
      return JSON.parse(text)
    } catch {
      throw badRequest(`Bad value for ${name}`)
    }
  }
  const key = given('key')
  const start = given('startkey')
  const end = given('endkey')
  const isInclusive = (query.get('inclusive_end') || 'true') === 'true'
  return (row) =>
    (key === undefined || compareValues(row.key, key) === 0) &&
    (start === undefined || compareValues(row.key, start) >= 0) &&
    (end === undefined || compareValues(row.key, end) < (isInclusive ? 1 : 0))
}

/** All rows in order. Rejects with 500 where the map fails, and with 413 for too many. */
async function mappedRows({ database, gateway, gone }: Exchange, map: string): Promise<ViewRow[]> {
  const text = `function (doc) { return (${map}\n)(doc, { id: doc._id, rev: doc._rev }) }`
  const design = new Design(Buffer.from(JSON.stringify({ views: { v: { map: text } } })), database.name)
  const rows: ViewRow[] = []
  for (const batch of batchesOf(database)) {
    let mapped: Buffer
    try {
      mapped = await gateway.scripting.map(
        design,
        ['v'],
        batch.map(({ text: each }) => each),
        { signal: gone },
      )
    } catch (error) {
      if (error instanceof ScriptError) throw new GatewayError(500, error.reason, { cause: error })
      throw error
    }
    visitRows(mapped, 1, {
      row(document, _view, keyStart, keyEnd, valueStart, valueEnd) {
        const key = JSON.parse(mapped.toString('utf8', keyStart, keyEnd))
        const value = JSON.parse(mapped.toString('utf8', valueStart, valueEnd))
        rows.push({ id: batch[document]!.id, key, value })
      },
    })
    if (rows.length > MOST_ROWS) throw new GatewayError(413, 'The view has too many rows')
    await giveWay()
  }
  return rows.sort((a, b) => compareValues(a.key, b.key) || compareValues(a.id, b.id))
}

function* batchesOf(database: GatewayDatabase): Generator<{ id: string; text: Buffer }[]> {
  let batch: { id: string; text: Buffer }[] = []
  for (const row of database.documents(undefined, undefined)) {
    const { view, body } = database.recorded(row.document())
    batch.push({ id: view.id, text: documentText(view.id, view.rev, body) })
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}
