/**
 * What a database under crashes should hold: a version for each request, named by a number that the request writes
 * into a local document, so that a database that came back tells which version it claims to be. Revision ids are
 * predicted (the second implementation of the hash), so that a request that was never answered can be judged.
 */
import { createHash } from 'node:crypto'
import type { DocumentEdit } from '../src/database/api/database.ts'
import type { StoredDatabase } from '../src/database/database.ts'
import { edit } from '../test/support/database-fixture.ts'
import {
  type Choice,
  compareDatabase,
  documentEdit,
  equal,
  IDS,
  modelEdit,
} from '../test/support/document-comparison.ts'
import { DatabaseModel, generationOf, type ModelEdit } from '../test/support/document-model.ts'
import { parsePlain, plainTerm } from '../test/support/plain-json.ts'
import type { Random } from '../test/support/random.ts'

const MARKER = 'version'

export interface DatabaseVersion {
  readonly number: number
  readonly model: DatabaseModel
  readonly security: string | undefined
  /** The model has the numbers in the update sequence that the database gave. */
  settled: boolean
}

export function emptyVersion(): DatabaseVersion {
  return { number: 0, model: new DatabaseModel(), security: undefined, settled: true }
}

/** A request, the version that it leads to, and what it must answer. */
export interface PlannedUpdate {
  readonly version: DatabaseVersion
  readonly edits: readonly DocumentEdit[]
  readonly newEdits: boolean
  /** Of an interactive request, for each edit the revision that it gives; undefined for a conflict. */
  readonly revs: readonly (string | undefined)[]
}

function term(value: string | number | boolean | Buffer): Buffer {
  if (Buffer.isBuffer(value)) {
    const head = Buffer.from([0x6d, 0, 0, 0, value.length])
    return Buffer.concat([head, value])
  }
  return plainTerm(parsePlain(Buffer.from(JSON.stringify(value)))!)
}

/** The md5 of `[Deleted, OldStart, OldRev, Body, []]` in Erlang's external term format. */
function predictedRev({ deleted, body }: ModelEdit, parent: string | undefined): string {
  const start = parent === undefined ? 0 : generationOf(parent)
  const old = parent === undefined ? term(0) : term(Buffer.from(parent.slice(parent.indexOf('-') + 1), 'hex'))
  const hashed = Buffer.concat([
    Buffer.from([131, 0x6c, 0, 0, 0, 5]),
    term(deleted),
    term(start),
    old,
    plainTerm(parsePlain(Buffer.from(body))!),
    Buffer.from([0x6a, 0x6a]),
  ])
  return `${start + 1}-${createHash('md5').update(hashed).digest('hex')}`
}

function drawChoice(random: Random): Choice {
  return {
    id: random.pick(['a', 'a', ...IDS]),
    deleted: random.bool(0.25),
    value: random.int(10),
    base: random.pick(['none', 'winner', 'winner', 'winner', 'leaf', 'leaf', 'inner', 'unknown'] as const),
    pick: random.int(6),
    branches: Array.from({ length: random.between(1, 5) }, () => random.pick(['x', 'y'])).join(''),
    onLeaf: random.bool(),
    known: random.between(1, 6),
  }
}

/** A random request. `large` makes bodies long enough for a commit in parts. */
export function planUpdate(
  random: Random,
  before: DatabaseVersion,
  number: number,
  large: boolean,
): PlannedUpdate {
  const model = before.model.copy()
  const newEdits = random.bool(0.6)
  const choices = Array.from({ length: random.between(1, 5) }, () => drawChoice(random))
  const drawn = choices.map((choice) => modelEdit(model, newEdits ? 'interactive' : 'replicated', choice))
  const wanted = drawn
    .filter((planned) => newEdits || !mayHaveLostBody(model, planned))
    .map((planned) => {
      const length = large ? random.between(1500, 4000) : random.pick([0, 0, 5, 300])
      // A revision's body follows from its id where it is replicated: two of the same id are one.
      if (length > 0 && newEdits) planned.body = planned.body.replace(/}$/, `,"x":"${'x'.repeat(length)}"}`)
      return planned
    })
  const revs: (string | undefined)[] = wanted.map(() => undefined)
  const inOrder = [...new Set(wanted.map(({ id }) => id))].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )
  for (const id of inOrder) {
    const group = wanted.filter((one) => one.id === id)
    if (!newEdits) {
      model.replicate(id, group)
      continue
    }
    const revOf = (one: ModelEdit): string => {
      const document = model.documents.get(id)!
      const parent = one.rev ?? (document.revisions.size > 0 ? document.winner : undefined)
      const rev = predictedRev(one, parent)
      revs[wanted.indexOf(one)] = rev
      return rev
    }
    model.interact(id, group, revOf)
  }
  const edits = wanted.map(documentEdit)
  const local = drawLocal(random, model)
  if (local !== undefined) edits.push(local)
  const body = JSON.stringify({ number })
  edits.push(edit(`_local/${MARKER}`, body))
  model.local.set(MARKER, { rev: 1, body })
  const version = { number, model, security: before.security, settled: false }
  return { version, edits, newEdits, revs }
}

function drawLocal(random: Random, model: DatabaseModel): DocumentEdit | undefined {
  if (random.bool(0.6)) return undefined
  const id = random.pick(['l', 'm'])
  if (random.bool(0.2)) {
    const known = model.local.get(id)
    if (known === undefined) return undefined
    model.local.delete(id)
    return edit(`_local/${id}`, '{}', { deleted: true, rev: `0-${known.rev}` })
  }
  const rev = random.int(5)
  const body = JSON.stringify({ rev })
  model.local.set(id, { rev: rev + 1, body })
  return edit(`_local/${id}`, body, { rev: `0-${rev}` })
}

/** Whether the edit would bring a body that a compaction may have dropped: then it is a change or none. */
function mayHaveLostBody(model: DatabaseModel, { id, path }: ModelEdit): boolean {
  const document = model.documents.get(id)
  const head = path![0]!
  if (!model.compacted || document === undefined || document.leaves().includes(head)) return false
  return document.revisions.get(head)?.body !== undefined
}

/** Which of `acceptable` the database shows, all of it compared. Throws when it is none. */
export function shownVersion(
  database: StoredDatabase,
  acceptable: readonly DatabaseVersion[],
): DatabaseVersion {
  const marker = database.getLocal(MARKER)
  const number = marker === undefined ? 0 : (JSON.parse(marker.body.toString()) as { number: number }).number
  const security = database.security()?.toString()
  const shown = acceptable.find(
    (version) =>
      numberIn(version) === number &&
      version.security === security &&
      version.model.revsLimit === database.revsLimit(),
  )
  if (shown === undefined) {
    const numbers = acceptable.map((version) => version.number).join(', ')
    throw new Error(
      `the database shows version ${number} (limit ${database.revsLimit()}, security ${security}), not one of ${numbers}`,
    )
  }
  assertHolds(database, shown)
  return shown
}

/** Settings have versions of their own, which write no marker. */
function numberIn({ model }: DatabaseVersion): number {
  const marker = model.local.get(MARKER)
  return marker === undefined ? 0 : (JSON.parse(marker.body) as { number: number }).number
}

/** Compares all indexes with the version. Throws at the first difference. */
export function assertHolds(database: StoredDatabase, version: DatabaseVersion): void {
  const model = version.settled ? version.model : settledModel(database, version.model)
  try {
    compareDatabase(database, model)
  } catch (error) {
    throw new Error(`version ${version.number}: ${(error as Error).message}`, { cause: error })
  }
  if (database.updateSeqNumber < Math.max(0, ...[...model.documents.values()].map(({ seq }) => seq))) {
    throw new Error(`version ${version.number}: the update sequence is behind its last change`)
  }
}

/** Takes over the numbers that the database gave; from now on they must stay. */
export function settle(database: StoredDatabase, version: DatabaseVersion): void {
  if (version.settled) return
  const { documents } = settledModel(database, version.model)
  const { model } = version
  for (const [id, { seq }] of documents) {
    model.documents.get(id)!.seq = seq
    model.updateSeq = Math.max(model.updateSeq, seq)
  }
  version.settled = true
}

/** Numbers may have gaps (a group that was not written), but they rise, and in the order of the changes. */
function settledModel(database: StoredDatabase, model: DatabaseModel): DatabaseModel {
  const copy = model.copy()
  const rows = [...database.changes().rows]
  equal(
    rows.map(({ id }) => id),
    copy.changes(),
    'order of changes',
  )
  let last = 0
  for (const { id, seqNumber } of rows) {
    if (seqNumber <= last) throw new Error(`the sequence goes from ${last} to ${seqNumber}`)
    last = seqNumber
    copy.documents.get(id)!.seq = seqNumber
  }
  return copy
}
