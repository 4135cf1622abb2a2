/**
 * `validate_doc_update`: whether documents may be written, by the functions of all design documents in the order of their
 * ids; the first that throws decides.
 */
import { securityText } from '../auth/security.ts'
import type { UserCtx } from '../auth/user.ts'
import type { Clock } from '../base/clock.ts'
import type { DatabaseError } from '../base/errors.ts'
import type { Metrics } from '../base/metrics.ts'
import type { CheckedEdit, Database, EditCheck } from '../database/api/database.ts'
import { viewText } from '../documents/document-text.ts'
import type { Design } from '../scripting/design.ts'
import type { Scripting } from '../scripting/scripting.ts'
import type { DesignDocuments } from './design-documents.ts'
import { editText } from './edit-text.ts'
import { functionError } from './script-failure.ts'

/** Takes what is counted. */
export interface ValidationFigures {
  readonly metrics: Metrics
  readonly clock: Pick<Clock, 'now' | 'monotonic'>
}

const MICROSECONDS = 1000

/** The check of what the user writes to the database. Functions of the text `known` are not called: see to them otherwise. */
export function validation(
  documents: DesignDocuments,
  database: Database,
  user: UserCtx,
  figures: ValidationFigures,
  known?: string,
): EditCheck {
  return {
    isNeeded: () => database.hasValidation(),
    look: async (edits) => {
      const all = await documents.validating(database)
      const designs = known === undefined ? all : all.filter((each) => each.validationText !== known)
      if (designs.length === 0) return edits.map(() => undefined)
      const context = Buffer.from(JSON.stringify({ db: database.name, name: user.name, roles: user.roles }))
      const validate = measured(documents, figures)
      const security = securityText(database.security())
      return Promise.all(edits.map((each) => fault(validate, designs, each, context, security)))
    },
  }
}

type Validate = Scripting['validate']

/** The functions' calls, counted and measured. */
function measured({ scripting }: DesignDocuments, { metrics, clock }: ValidationFigures): Validate {
  return async (...call) => {
    const startMs = clock.monotonic()
    try {
      await scripting.validate(...call)
    } catch (error) {
      metrics.count('couchdb.query_server.vdu_rejects')
      throw error
    } finally {
      const durationMs = clock.monotonic() - startMs
      metrics.count('couchdb.query_server.calls.ddoc_vdu')
      metrics.count('couchdb.query_server.time.ddoc_vdu', Math.round(durationMs * MICROSECONDS))
      metrics.observe('couchdb.query_server.vdu_process_time', durationMs, clock.now())
    }
  }
}

async function fault(
  validate: Validate,
  designs: readonly Design[],
  edit: CheckedEdit,
  context: Uint8Array,
  security: Uint8Array,
): Promise<DatabaseError | undefined> {
  const document = editText(edit)
  const before = edit.parent === undefined ? null : viewText(edit.parent, { revs: true })
  try {
    for (const design of designs) await validate(design, document, before, context, security)
    return undefined
  } catch (error) {
    return functionError(error)
  }
}
