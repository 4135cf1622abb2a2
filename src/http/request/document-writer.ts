/**
 * The one way on which requests write documents: as their user may. What holds:
 * - Only routes write whose rule says so, in the table of rights.
 * - A design document is written by an administrator of the database.
 * - Every document, design documents and local ones excepted, is checked: by the rules of `_users` in that database, and
 *   by the validation functions of the design documents.
 * - A password in a document of `_users` is hashed before anything else sees it.
 */
import { parseSecurity } from '../../auth/security.ts'
import type { UserCtx } from '../../auth/user.ts'
import { DatabaseError } from '../../base/errors.ts'
import type {
  Database,
  DocumentEdit,
  DocumentView,
  EditCheck,
  EditResult,
  UpdateOptions,
} from '../../database/api/database.ts'
import { isDesignId } from '../../documents/document-id.ts'
import { revisionOfPath } from '../../documents/revision.ts'
import { USERS_DATABASE } from '../../users/user-document.ts'
import { withHashedPassword } from '../../users/user-passwords.ts'
import { userFault } from '../../users/user-rules.ts'
import { databaseAdminRefusal, requireDatabaseAdmin } from './access.ts'
import type { Exchange } from './exchange.ts'

/** As `Database` has them, with what is refused among the results. */
export interface DocumentWriter {
  update(edits: readonly DocumentEdit[], options?: Omit<UpdateOptions, 'check'>): Promise<EditResult[]>
  updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult>
}

/** Edits in turn of `_users` are made again when another write came first. */
const MOST_ATTEMPTS = 100

/** `database` is the exchange's, under another lease where the write outlives the request. */
export function documentWriter(exchange: Exchange, database: Database = exchange.database): DocumentWriter {
  if (exchange.right !== 'writer') throw new Error(`${exchange.place.route} has no right to write`)
  const isUsers = exchange.place.database === USERS_DATABASE
  return new DesignGuard(exchange, isUsers ? new UsersWriter(exchange, database) : plain(exchange, database))
}

function plain(exchange: Exchange, database: Database): DocumentWriter {
  return {
    update: (edits, options = {}) => {
      const check = validation(exchange, database, options.newEdits === false)
      return database.update(edits, { ...options, check })
    },
    updateInTurn: (id, make) =>
      database.updateInTurn(id, make, { check: validation(exchange, database, false) }),
  }
}

/** Lets nobody write design documents but administrators of the database. */
class DesignGuard implements DocumentWriter {
  readonly #exchange: Exchange
  readonly #writer: DocumentWriter

  constructor(exchange: Exchange, writer: DocumentWriter) {
    this.#exchange = exchange
    this.#writer = writer
  }

  async update(
    edits: readonly DocumentEdit[],
    options: Omit<UpdateOptions, 'check'> = {},
  ): Promise<EditResult[]> {
    if (this.#exchange.isDatabaseAdmin || !edits.some(({ id }) => isDesignId(id))) {
      return this.#writer.update(edits, options)
    }
    const refusal = databaseAdminRefusal(this.#exchange)
    const others = edits.filter(({ id }) => !isDesignId(id))
    if (options.allOrNothing === true) {
      const unwritten = new DatabaseError('notWritten')
      return edits.map(({ id, rev }) => ({
        ok: false,
        id,
        rev,
        refusal: isDesignId(id) ? refusal : unwritten,
      }))
    }
    const written = others.length === 0 ? [] : await this.#writer.update(others, options)
    let next = 0
    return edits.map((edit) => (isDesignId(edit.id) ? refusedEdit(edit, refusal) : written[next++]!))
  }

  updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    if (isDesignId(id)) requireDatabaseAdmin(this.#exchange)
    return this.#writer.updateInTurn(id, make)
  }
}

function refusedEdit({ id, rev, revisions }: DocumentEdit, refusal: DatabaseError): EditResult {
  return { ok: false, id, rev: rev ?? (revisions && revisionOfPath(revisions)), refusal }
}

/**
 * A database with a validation function that nothing runs must not look protected: documents are refused, but for what
 * administrators replicate, who could remove it anyway.
 */
function validation(exchange: Exchange, database: Database, isReplicated: boolean): EditCheck {
  return {
    isNeeded: () => database.hasValidation() && !(isReplicated && exchange.isDatabaseAdmin),
    look: async () => {
      throw new DatabaseError('notImplemented', 'validate_doc_update functions are not implemented')
    },
  }
}

class UsersWriter implements DocumentWriter {
  readonly #exchange: Exchange
  readonly #database: Database

  constructor(exchange: Exchange, database: Database) {
    this.#exchange = exchange
    this.#database = database
  }

  async update(
    edits: readonly DocumentEdit[],
    options: Omit<UpdateOptions, 'check'> = {},
  ): Promise<EditResult[]> {
    const { caller, backend, limits } = this.#exchange
    const hashing = {
      hasher: backend.hasher,
      iterations: limits.passwordIterations,
      random: backend.random,
    }
    const results: (EditResult | undefined)[] = []
    const ready: DocumentEdit[] = []
    for (const edit of edits) {
      const { id, rev } = edit
      try {
        ready.push(await withHashedPassword(edit, hashing, caller))
        results.push(undefined)
      } catch (error) {
        if (!(error instanceof DatabaseError) || error.kind !== 'forbidden') throw error
        results.push({ ok: false, id, rev, refusal: error })
      }
    }
    if (options.allOrNothing === true && ready.length < edits.length) {
      const refusal = new DatabaseError('notWritten')
      return edits.map(({ id, rev }, place) => results[place] ?? { ok: false, id, rev, refusal })
    }
    const written = await this.#database.update(ready, { ...options, check: this.#check(options) })
    let next = 0
    return results.map((refused) => refused ?? written[next++]!)
  }

  /** Hashing takes longer than a turn at the writer. */
  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    for (let attempt = 1; ; attempt++) {
      await this.#database.refresh()
      const winner = this.#database.get(id)
      const [result] = await this.update([make(winner)])
      if (result!.ok || result!.refusal.kind !== 'conflict' || attempt === MOST_ATTEMPTS) return result!
    }
  }

  #check({ newEdits }: UpdateOptions): EditCheck {
    const functions = validation(this.#exchange, this.#database, newEdits === false)
    const user: UserCtx = this.#exchange.user
    return {
      isNeeded: () => true,
      look: async (edits) => {
        const security = parseSecurity(this.#database.security())
        const refusals = edits.map((edit) => userFault(edit, user, security))
        if (!functions.isNeeded()) return refusals
        const judged = await functions.look(edits)
        return refusals.map((refusal, at) => refusal ?? judged[at])
      },
    }
  }
}
