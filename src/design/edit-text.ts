import type { AttachmentView, CheckedEdit, DocumentEdit } from '../database/api/database.ts'
import type { AttachmentEdit } from '../database/layout/attachment-records.ts'
import { documentText, memberText, stringsText, stringText } from '../json/writer.ts'

/**
 * A document that is to be written, as CouchDB shows it to a function: with the revision that it replaces (replicated: its
 * own), that history, and attachments as stubs.
 */
export function editText({ edit, parent }: CheckedEdit): Buffer {
  const { id, deleted, body } = edit
  const path = pathOf(edit)
  const members =
    (deleted ? ',"_deleted":true' : '') +
    (path === undefined
      ? ''
      : memberText('_revisions', `{"start":${path.start},"ids":${stringsText(path.ids)}}`)) +
    attachmentsText(edit.attachments ?? [], parent?.attachments() ?? [])
  return documentText(id, path === undefined ? null : `${path.start}-${path.ids[0]!}`, body, members)
}

function pathOf({ rev, revisions }: DocumentEdit): { start: number; ids: readonly string[] } | undefined {
  if (revisions !== undefined) return revisions
  if (rev === undefined) return undefined
  const dash = rev.indexOf('-')
  return { start: Number(rev.slice(0, dash)), ids: [rev.slice(dash + 1)] }
}

function attachmentsText(attachments: readonly AttachmentEdit[], known: readonly AttachmentView[]): string {
  const stubs = attachments.flatMap((attachment): string[] => {
    const info = infoOf(attachment, known)
    if (info === undefined) return []
    const { name, type, md5, length, revpos } = info
    const digest = `md5-${md5.toString('base64')}`
    return [
      `${stringText(name)}:{"content_type":${stringText(type)},"revpos":${revpos},"digest":"${digest}","length":${length},"stub":true}`,
    ]
  })
  return stubs.length === 0 ? '' : memberText('_attachments', `{${stubs.join(',')}}`)
}

type StubInfo = Pick<AttachmentView, 'name' | 'type' | 'md5' | 'length' | 'revpos'>

/** Undefined for a stub that stands for nothing: such a write is refused where it is written. */
function infoOf(attachment: AttachmentEdit, known: readonly AttachmentView[]): StubInfo | undefined {
  if (attachment.kind === 'stub') return known.find(({ name }) => name === attachment.name)
  if (attachment.kind === 'stored') return attachment.info
  const { name, type, revpos, content } = attachment
  return { name, type, revpos, md5: content.md5, length: content.length }
}
