/**
 * An edit of a document's winner that is made outside of the writer's turn, and made again where another write came first.
 */
import { DatabaseError } from '../../base/errors.ts'
import type { Database, DocumentEdit, DocumentView, EditCheck, EditResult } from '../api/database.ts'
import type { EditPath } from './edit-path.ts'
import { releaseContent } from './moved-content.ts'

/** Each time another write was acknowledged, so that all together get on however many there are. */
const MOST_ATTEMPTS = 1000

/** As `Database.updateInTurn`, of an id that the database may hold. Gives up with a conflict after very many attempts. */
export async function updateWinner(
  database: Pick<Database, 'refresh' | 'get'>,
  path: EditPath,
  id: string,
  make: (winner: DocumentView) => DocumentEdit,
  check?: EditCheck,
): Promise<EditResult> {
  const made: DocumentEdit[] = []
  let refused: { rev: string; result: EditResult } | undefined
  try {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      await database.refresh()
      const winner = database.get(id)
      // The document is as it was when the edit was refused: the conflict is the edit's own.
      if (refused?.rev === winner.rev) return refused.result
      const edit = make(winner)
      if (made.at(-1) !== edit) made.push(edit)
      const [result] = await path.updateHeld([edit], { check })
      if (result === undefined) throw new Error('the edit gave no result')
      if (result.ok || result.refusal.kind !== 'conflict') return result
      refused = { rev: winner.rev, result }
    }
    throw new DatabaseError('conflict')
  } finally {
    releaseContent(made)
  }
}
