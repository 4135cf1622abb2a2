/**
 * The one way on which requests and replications write documents: as their user may. What holds:
 * - A design document is written by an administrator of the database.
 * - Every document, design documents and local ones excepted, is checked: by the rules of `_users` and of `_replicator`
 *   in such databases, and by the validation functions of the design documents.
 * - A design document is compiled before it is written.
 * - Who writes may still do so when his edits are handed over, where that is later than when he was let in.
 * - A password in a document of `_users` is hashed before anything else sees it.
 */
import type { Caller } from '../auth/hash-queue.ts'
import type { PasswordHasher } from '../auth/password-hash.ts'
import { isDatabaseAdmin, parseSecurity, type Security } from '../auth/security.ts'
import { isServerAdmin, type UserCtx } from '../auth/user.ts'
import type { Clock } from '../base/clock.ts'
import type { Compression } from '../base/compression.ts'
import { diskPercentUsed } from '../base/disk-usage.ts'
import { DatabaseError, type ErrorKind } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Metrics } from '../base/metrics.ts'
import type { RandomBytes } from '../base/random.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type {
  CheckedEdit,
  Database,
  DocumentEdit,
  DocumentView,
  EditCheck,
  EditResult,
  UpdateOptions,
} from '../database/api/database.ts'
import type { PackedResults } from '../database/write/apply-packed.ts'
import { examineDesign } from '../database/write/design-document.ts'
import type { PackedEdits } from '../database/write/packed-edits.ts'
import { packedWayOf } from '../database/write/packed-way.ts'
import type { DesignDocuments } from '../design/design-documents.ts'
import { validation } from '../design/validation.ts'
import { isDesignId } from '../documents/document-id.ts'
import { revisionOfPath } from '../documents/revision.ts'
import { type DocumentAuthor, ownedEdit, ownerFault } from '../replicator/documents/document-rules.ts'
import { isReplicatorDatabase } from '../replicator/documents/replicator-document.ts'
import { AUTH_VALIDATION } from '../users/auth-design.ts'
import { withHashedPassword } from '../users/user-passwords.ts'
import { requireOwn, userFault } from '../users/user-rules.ts'
import { wholeUsers } from '../users/user-view.ts'
import { isUsersDatabase } from '../users/users-database.ts'

/** As `Database` has them, with what is refused among the results. */
export interface DocumentWriter {
  update(edits: readonly DocumentEdit[], options?: Omit<UpdateOptions, 'check'>): Promise<EditResult[]>
  updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult>
  /** A shorter way for many documents none of which is a design document; undefined: there is none. */
  packed(): PackedWriter | undefined
}

export interface PackedWriter {
  readonly compression: Compression
  /** As `PackedWay.updatePacked`. */
  update(edits: PackedEdits): Promise<PackedResults | undefined>
}

/** Edits in turn of databases with rules are made again when another write came first. */
const MOST_ATTEMPTS = 100

/** Who writes. */
export interface Author {
  readonly user: UserCtx
  /** Who waits for what is costly; undefined for the server itself. */
  readonly caller?: Caller | undefined
  /**
   * Asked when edits are about to be handed over. `hasDesigns`: design documents are among them. `tookTime`: making them ready did;
   * without that he may know himself that no time has passed. Undefined: he may; else rejects where he may not any more. The server
   * itself is not asked.
   */
  mayStill?(database: Database, hasDesigns: boolean, tookTime: boolean): Promise<void> | undefined
}

/** What writing takes beside the database. */
export interface WritingParts {
  readonly designs: DesignDocuments
  readonly metrics: Metrics
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
  readonly hasher: Pick<PasswordHasher, 'hash'>
  readonly random: RandomBytes
  readonly settings: Pick<SettingsRegistry, 'get'>
  readonly log: Pick<Log, 'error'>
}

export function documentWriter(parts: WritingParts, database: Database, author: Author): DocumentWriter {
  const rules = rulesOf(parts, database, author)
  const writer =
    rules === undefined
      ? new PlainWriter(parts, database, author)
      : new RuledWriter(parts, database, author, rules)
  const guarded = new DesignGuard(database, author.user, writer)
  return parts.settings.get('diskMonitorEnabled') ? new DiskGuard(parts, guarded) : guarded
}

/** Of somebody who is no administrator of the database: somebody who has not signed in may try again as somebody else. */
export function databaseAdminRefusal({ name }: UserCtx): DatabaseError {
  return new DatabaseError(name === null ? 'unauthorized' : 'forbidden', 'You are not a db or server admin.')
}

/** Lets nobody write design documents but administrators of the database. */
class DesignGuard implements DocumentWriter {
  readonly #database: Database
  readonly #user: UserCtx
  readonly #writer: DocumentWriter

  constructor(database: Database, user: UserCtx, writer: DocumentWriter) {
    this.#database = database
    this.#user = user
    this.#writer = writer
  }

  get #isAdmin(): boolean {
    return isServerAdmin(this.#user) || isDatabaseAdmin(this.#user, parseSecurity(this.#database.security()))
  }

  update(edits: readonly DocumentEdit[], options: Omit<UpdateOptions, 'check'> = {}): Promise<EditResult[]> {
    if (!edits.some(isDesign) || this.#isAdmin) return this.#writer.update(edits, options)
    return this.#updateOthers(edits, options)
  }

  /** Without the design documents, which are refused. */
  async #updateOthers(
    edits: readonly DocumentEdit[],
    options: Omit<UpdateOptions, 'check'>,
  ): Promise<EditResult[]> {
    const refusal = databaseAdminRefusal(this.#user)
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

  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    if (isDesignId(id) && !this.#isAdmin) throw databaseAdminRefusal(this.#user)
    return this.#writer.updateInTurn(id, make)
  }

  packed(): PackedWriter | undefined {
    return this.#writer.packed()
  }
}

/** Takes no edits of requests while the disk is fuller than `[disk_monitor]` allows; replicated ones go on, as in CouchDB. */
class DiskGuard implements DocumentWriter {
  readonly #parts: Pick<WritingParts, 'settings' | 'clock'>
  readonly #writer: DocumentWriter

  constructor(parts: Pick<WritingParts, 'settings' | 'clock'>, writer: DocumentWriter) {
    this.#parts = parts
    this.#writer = writer
  }

  async update(
    edits: readonly DocumentEdit[],
    options: Omit<UpdateOptions, 'check'> = {},
  ): Promise<EditResult[]> {
    if (options.newEdits !== false) this.#requireRoom()
    return this.#writer.update(edits, options)
  }

  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    this.#requireRoom()
    return this.#writer.updateInTurn(id, make)
  }

  packed(): PackedWriter | undefined {
    const packed = this.#writer.packed()
    if (packed === undefined) return undefined
    const update = async (edits: PackedEdits): Promise<PackedResults | undefined> => {
      this.#requireRoom()
      return packed.update(edits)
    }
    return { compression: packed.compression, update }
  }

  /** Throws insufficientStorage. */
  #requireRoom(): void {
    const { settings, clock } = this.#parts
    const percent = diskPercentUsed(settings.get('databaseDir'), clock)
    if (percent <= settings.get('interactiveWritesPercent')) return
    throw new DatabaseError('insufficientStorage', `The disk is ${percent} % full: no documents are written.`)
  }
}

function refusedEdit({ id, rev, revisions }: DocumentEdit, refusal: DatabaseError): EditResult {
  return { ok: false, id, rev: rev ?? (revisions && revisionOfPath(revisions)), refusal }
}

class PlainWriter implements DocumentWriter {
  readonly #designs: DesignDocuments
  readonly #database: Database
  readonly #author: Author
  readonly #check: EditCheck

  constructor(parts: WritingParts, database: Database, author: Author) {
    const { designs } = parts
    this.#designs = designs
    this.#database = database
    this.#author = author
    this.#check = new AuthorsCheck(validation(designs, database, author.user, parts), database, author)
  }

  update(edits: readonly DocumentEdit[], options: Omit<UpdateOptions, 'check'> = {}): Promise<EditResult[]> {
    return edits.some(isDesign) ? this.#updateDesigns(edits, options) : this.#write(edits, options)
  }

  async #updateDesigns(
    edits: readonly DocumentEdit[],
    options: Omit<UpdateOptions, 'check'>,
  ): Promise<EditResult[]> {
    const prepared = await prepare(edits, async (edit) => {
      if (isDesign(edit)) await compileDesign(this.#designs, this.#database, edit)
      return edit
    })
    return writePrepared(prepared, options, (sound) => this.#write(sound, options))
  }

  #write(edits: readonly DocumentEdit[], options: Omit<UpdateOptions, 'check'>): Promise<EditResult[]> {
    const hasDesigns = edits.some(isDesign)
    const tookTime = hasDesigns || edits.some(hasAttachments)
    return this.#asAllowed(hasDesigns, tookTime, () => this.#handOver(edits, options))
  }

  /** Writes if the author still may; at once where nobody has to be asked. */
  #asAllowed<T>(hasDesigns: boolean, tookTime: boolean, write: () => Promise<T>): Promise<T> {
    const asking = this.#author.mayStill?.(this.#database, hasDesigns, tookTime)
    return asking === undefined ? write() : asking.then(write)
  }

  #handOver(
    edits: readonly DocumentEdit[],
    { newEdits, allOrNothing }: Omit<UpdateOptions, 'check'>,
  ): Promise<EditResult[]> {
    return this.#database.update(edits, { newEdits, allOrNothing, check: this.#check })
  }

  async updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    if (isDesignId(id)) return updatedInTurn(this, this.#database, id, make)
    await this.#author.mayStill?.(this.#database, false, true)
    return this.#database.updateInTurn(id, make, { check: this.#check })
  }

  packed(): PackedWriter | undefined {
    const way = packedWayOf(this.#database)
    const compression = way?.packs
    if (way === undefined || compression === undefined || this.#check.isNeeded()) return undefined
    const update = (edits: PackedEdits): Promise<PackedResults | undefined> =>
      this.#asAllowed(false, false, () => way.updatePacked(edits, this.#check))
    return { compression, update }
  }
}

/** Validation functions take their time: who writes is asked again behind them. */
class AuthorsCheck implements EditCheck {
  readonly #check: EditCheck
  readonly #database: Database
  readonly #author: Author

  constructor(check: EditCheck, database: Database, author: Author) {
    this.#check = check
    this.#database = database
    this.#author = author
  }

  isNeeded(): boolean {
    return this.#check.isNeeded()
  }

  async look(edits: readonly CheckedEdit[]): Promise<readonly (DatabaseError | undefined)[]> {
    const judged = await this.#check.look(edits)
    const hasDesigns = edits.some(({ edit }) => isDesign(edit))
    await this.#author.mayStill?.(this.#database, hasDesigns, true)
    return judged
  }
}

/** Taken in before, in as many turns as they take. */
function hasAttachments({ attachments }: DocumentEdit): boolean {
  return attachments !== undefined
}

function isDesign({ id }: DocumentEdit): boolean {
  return isDesignId(id)
}

/** Rejects with compilation_error. One of a wrong shape is left to who writes it. */
async function compileDesign(
  designs: DesignDocuments,
  database: Database,
  { deleted, body }: DocumentEdit,
): Promise<void> {
  if (deleted || examineDesign(body, database.properties.partitioned).fault !== undefined) return
  await designs.compile(database, body)
}

/** In the order of the edits: as they are to be written, or why they are not. */
type Prepared = readonly (DocumentEdit | { refused: EditResult })[]

/** What makes edits ready refuses single ones by what DatabaseErrors it throws, and ends all by others. */
async function prepare(
  edits: readonly DocumentEdit[],
  make: (edit: DocumentEdit) => Promise<DocumentEdit>,
): Promise<Prepared> {
  const prepared: (DocumentEdit | { refused: EditResult })[] = []
  for (const edit of edits) {
    const { id, rev } = edit
    try {
      prepared.push(await make(edit))
    } catch (error) {
      if (!(error instanceof DatabaseError) || ENDS_ALL.has(error.kind)) throw error
      prepared.push({ refused: { ok: false, id, rev, refusal: error } })
    }
  }
  return prepared
}

/** What is not the document's fault. */
const ENDS_ALL: ReadonlySet<ErrorKind> = new Set([
  'clientGone',
  'hashesBusy',
  'shuttingDown',
  'tooManyHashes',
])

async function writePrepared(
  prepared: Prepared,
  { allOrNothing = false }: Omit<UpdateOptions, 'check'>,
  write: (edits: readonly DocumentEdit[]) => Promise<EditResult[]>,
): Promise<EditResult[]> {
  const ready = prepared.filter((each): each is DocumentEdit => !('refused' in each))
  if (allOrNothing && ready.length < prepared.length) {
    const refusal = new DatabaseError('notWritten')
    return prepared.map((each) =>
      'refused' in each ? each.refused : { ok: false, id: each.id, rev: each.rev, refusal },
    )
  }
  const written = await write(ready)
  let next = 0
  return prepared.map((each) => ('refused' in each ? each.refused : written[next++]!))
}

/** For edits that take longer than a turn at the writer: made again where another write came first. */
async function updatedInTurn(
  writer: Pick<DocumentWriter, 'update'>,
  database: Database,
  id: string,
  make: (winner: DocumentView) => DocumentEdit,
): Promise<EditResult> {
  for (let attempt = 1; ; attempt++) {
    await database.refresh()
    const [result] = await writer.update([make(database.get(id))])
    if (result!.ok || result!.refusal.kind !== 'conflict' || attempt === MOST_ATTEMPTS) return result!
  }
}

/** What the server itself asks of a database's documents. */
interface Rules {
  /** The edit as it is to be stored, with what `_security` says now. Rejects with why it is refused. */
  ready(edit: DocumentEdit, security: Security): Promise<DocumentEdit>
  /** Why what replaces that is refused; undefined where it is not. */
  fault(edit: CheckedEdit, security: Security): DatabaseError | undefined
  /** The text of a validation function that says the same. */
  readonly sameText?: string
}

/** Undefined: any document may be written. */
function rulesOf(parts: WritingParts, database: Database, { user, caller }: Author): Rules | undefined {
  const { settings } = parts
  if (isUsersDatabase(database.name, settings)) {
    const { hasher, random, log } = parts
    const iterations = settings.get('passwordIterations')
    const hashing = { hasher, iterations, random, rules: settings.get('passwordRules'), log }
    return {
      ready: async (edit, security) => {
        requireOwn(edit.id, user, security)
        return await withHashedPassword(edit, hashing, caller)
      },
      fault: (edit, security) => userFault(edit, user, security),
      sameText: AUTH_VALIDATION,
    }
  }
  if (!isReplicatorDatabase(database.name)) return undefined
  const authorUnder = (security: Security): DocumentAuthor => ({
    user,
    isDatabaseAdmin: isServerAdmin(user) || isDatabaseAdmin(user, security),
  })
  return {
    ready: (edit, security) => ownedEdit(edit, authorUnder(security)),
    fault: (edit, security) => ownerFault(edit, authorUnder(security)),
  }
}

class RuledWriter implements DocumentWriter {
  readonly #parts: WritingParts
  readonly #database: Database
  readonly #author: Author
  readonly #rules: Rules

  constructor(parts: WritingParts, database: Database, author: Author, rules: Rules) {
    this.#parts = parts
    this.#database = database
    this.#author = author
    this.#rules = rules
  }

  async update(
    edits: readonly DocumentEdit[],
    options: Omit<UpdateOptions, 'check'> = {},
  ): Promise<EditResult[]> {
    const prepared = await prepare(edits, async (edit) => {
      if (isDesign(edit)) await compileDesign(this.#parts.designs, this.#database, edit)
      return this.#rules.ready(edit, parseSecurity(this.#database.security()))
    })
    await this.#author.mayStill?.(this.#database, edits.some(isDesign), true)
    const check = this.#check()
    return writePrepared(prepared, options, (ready) => this.#database.update(ready, { ...options, check }))
  }

  updateInTurn(id: string, make: (winner: DocumentView) => DocumentEdit): Promise<EditResult> {
    return updatedInTurn(this, this.#database, id, make)
  }

  /** Every edit has to be looked at. */
  packed(): undefined {
    return undefined
  }

  /**
   * What a replicated revision without an ancestor here would stand beside, or take the place of, as the document's winner: whose that
   * document is counts for it too. A deleted document is nobody's.
   */
  #stoodFor({ id, revisions }: DocumentEdit): DocumentView | undefined {
    if (revisions === undefined) return undefined
    const row = wholeUsers(this.#database).lookup(id)
    return row === undefined || row.deleted ? undefined : row.document()
  }

  #check(): EditCheck {
    const { sameText } = this.#rules
    const { designs } = this.#parts
    const functions = validation(
      designs,
      wholeUsers(this.#database),
      this.#author.user,
      this.#parts,
      sameText,
    )
    return {
      isNeeded: () => true,
      look: async (edits) => {
        const security = parseSecurity(this.#database.security())
        const refusals = edits.map(({ edit, parent }) =>
          this.#rules.fault({ edit, parent: parent ?? this.#stoodFor(edit) }, security),
        )
        if (!functions.isNeeded()) return refusals
        const judged = await functions.look(edits)
        return refusals.map((refusal, at) => refusal ?? judged[at])
      },
    }
  }
}
