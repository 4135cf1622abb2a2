/**
 * `validate_doc_update`: whether documents may be written, by the functions of all design documents in the order of their
 * ids; the first that throws decides.
 */
import { securityText } from '../auth/security.ts'
import type { UserCtx } from '../auth/user.ts'
import type { DatabaseError } from '../base/errors.ts'
import type { CheckedEdit, Database, EditCheck } from '../database/api/database.ts'
import { viewText } from '../documents/document-text.ts'
import type { Design } from '../scripting/design.ts'
import type { DesignDocuments } from './design-documents.ts'
import { editText } from './edit-text.ts'
import { functionError } from './script-failure.ts'

/** The check of what the user writes to the database. */
export function validation(documents: DesignDocuments, database: Database, user: UserCtx): EditCheck {
  return {
    isNeeded: () => database.hasValidation(),
    look: (edits) => {
      const designs = documents.validating(database)
      const context = { db: database.name, name: user.name, roles: user.roles }
      const security = securityText(database.security())
      return Promise.all(
        edits.map((each) => fault(documents, designs, each, Buffer.from(JSON.stringify(context)), security)),
      )
    },
  }
}

async function fault(
  { scripting }: DesignDocuments,
  designs: readonly Design[],
  edit: CheckedEdit,
  context: Uint8Array,
  security: Uint8Array,
): Promise<DatabaseError | undefined> {
  const document = editText(edit)
  const before = edit.parent === undefined ? null : viewText(edit.parent, { revs: true })
  try {
    for (const design of designs) await scripting.validate(design, document, before, context, security)
    return undefined
  } catch (error) {
    return functionError(error)
  }
}
