import fc from 'fast-check'
import type { RevisionPath, RevisionValue } from '../../src/database/revisions/revision-tree.ts'

/** One edit as a replicator would bring it. */
export interface Edit {
  readonly path: RevisionPath
  readonly value: RevisionValue
}

interface Made {
  readonly pos: number
  readonly id: string
  readonly parent: Made | null
}

const byteId = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'))

/** Byte strings: most are md5s, some have other lengths, none included. */
export const revisionId: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: byteId },
  { weight: 1, arbitrary: fc.constantFrom('', 'a', 'b', 'zz', 'x'.repeat(300)) },
)

function ancestry(revision: Made): Made[] {
  return revision.parent === null ? [revision] : [revision, ...ancestry(revision.parent)]
}

/** The value of an edit follows from its revision, as that is a hash over it. */
function valueAt(seq: number): RevisionValue {
  return {
    deleted: seq % 3 === 0,
    seq,
    body: seq % 5 === 0 ? null : Buffer.alloc(16, seq),
    size: seq * 100,
    activeSize: seq * 50,
    attachments: seq % 4 === 0 ? Buffer.from(`attachments ${seq}`) : null,
  }
}

/**
 * Edits of one document, taken from one history that all servers share: each names its ancestors as far
 * back as it happens to. `chosen` says which of the history's revisions arrive, how much of their ancestry
 * with them, in which order.
 */
export const edits: fc.Arbitrary<Edit[]> = fc
  .tuple(
    fc.array(fc.tuple(fc.nat(), revisionId, fc.nat(5)), { minLength: 1, maxLength: 25 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(8)), { minLength: 1, maxLength: 30 }),
  )
  .map(([steps, chosen]) => {
    const history: Made[] = []
    const names = new Set<string>()
    for (const [from, id, style] of steps) {
      // Four of six continue the last edit, one branches off anywhere, one creates the document anew.
      const parent =
        style < 4 ? history.at(-1) : style === 4 ? history[from % (history.length || 1)] : undefined
      const pos = (parent?.pos ?? 0) + 1
      if (!names.has(`${pos}-${id}`)) history.push({ pos, id, parent: parent ?? null })
      names.add(`${pos}-${id}`)
    }
    return chosen.map(([index, known]) => {
      const made = history[index % history.length]!
      const ids = ancestry(made).map(({ id }) => id)
      return {
        path: { start: made.pos, ids: ids.slice(0, known === 8 ? ids.length : known + 1) },
        value: valueAt(1 + (index % history.length)),
      }
    })
  })

/** Edits whose ancestries need not agree with one another. */
export const contradictoryEdits: fc.Arbitrary<Edit[]> = fc.array(
  fc
    .tuple(
      fc.integer({ min: -2, max: 6 }),
      fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 }),
      fc.nat(20),
    )
    .map(([start, ids, seq]) => ({ path: { start, ids }, value: valueAt(seq) })),
  { minLength: 1, maxLength: 12 },
)
