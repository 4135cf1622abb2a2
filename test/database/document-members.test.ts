import t from 'tap'
import { type DocumentInput, readDocument } from '../../src/database/write/document-members.ts'
import { scanDocument } from '../../src/json/documents.ts'
import { failure } from '../support/http-request.ts'

function read(text: string): DocumentInput {
  return readDocument(scanDocument(Buffer.from(text)))
}

t.test('what the members with an underscore say', async (t) => {
  const document = read(
    '{"_id":"a\\u00e9\\n","x":1,"_rev":"2-b","_deleted":true,"_attachments":{"f":{"stub": true}},"_conflicts":3}',
  )
  t.equal(document.id, 'aé\n')
  t.same(document.revisions, { start: 2, ids: ['b'] })
  t.equal(document.deleted, true)
  t.equal(document.attachments?.toString(), '{"f":{"stub":true}}')
  t.equal(document.body.toString(), '{"x":1}')
  const bare = read('{"_deleted":false,"_revs_info":[],"_local_seq":3,"_deleted_conflicts":[]}')
  t.match(bare, { id: null, revisions: null, deleted: false, attachments: null })
})

t.test('_revisions goes before _rev, wherever it stands', async (t) => {
  const revisions = '"_revisions":{"start":3,"ids":["c","b"]}'
  const wanted = { start: 3, ids: ['c', 'b'] }
  t.same(read(`{${revisions},"_rev":"9-z"}`).revisions, wanted)
  t.same(read(`{"_rev":"9-z",${revisions}}`).revisions, wanted)
  t.same(read(`{${revisions},"_rev":12}`).revisions, wanted)
  t.same(read('{"_revisions":{"start":0,"ids":[]},"_rev":"9-z"}').revisions, { start: 9, ids: ['z'] })
})

t.test('what is refused, with the reason of CouchDB', async (t) => {
  const hex = 'g'.repeat(32)
  const cases: [text: string, error: string, reason: string][] = [
    ['[]', 'bad_request', 'Document must be a JSON object'],
    ['1', 'bad_request', 'Document must be a JSON object'],
    ['{"_foo":1}', 'doc_validation', 'Bad special document member: _foo'],
    ['{"_ID":"x"}', 'doc_validation', 'Bad special document member: _ID'],
    ['{"_":"x"}', 'doc_validation', 'Bad special document member: _'],
    ['{"_attachments":[]}', 'doc_validation', 'Bad special document member: _attachments'],
    ['{"_deleted":"yes"}', 'doc_validation', 'Bad special document member: _deleted'],
    ['{"_revisions":[]}', 'doc_validation', 'Bad special document member: _revisions'],
    ['{"_revisions":{"ids":[]}}', 'doc_validation', "_revisions.start isn't an integer."],
    ['{"_revisions":{"start":1}}', 'doc_validation', "_revisions.ids isn't a array."],
    ['{"_revisions":{"start":1,"ids":[1]}}', 'doc_validation', "RevId isn't a string"],
    [`{"_revisions":{"start":1,"ids":["${hex}"]}}`, 'doc_validation', "RevId isn't a valid hexadecimal"],
    ['{"_rev":12}', 'bad_request', 'Invalid rev format'],
    ['{"_rev":"1"}', 'bad_request', 'Invalid rev format'],
    ['{"_id":12}', 'illegal_docid', 'Document id must be a string'],
    ['{"_id":""}', 'illegal_docid', 'Document id must not be empty'],
    ['{"_id":"_x"}', 'illegal_docid', 'Only reserved document ids may start with underscore.'],
    ['{"_id":"_design/"}', 'illegal_docid', 'Illegal document id `_design/`'],
    ['{"_foo":1,"_rev":12}', 'doc_validation', 'Bad special document member: _foo'],
    ['{"_rev":12,"_foo":1}', 'bad_request', 'Invalid rev format'],
    ['{"_foo":1,"_rev":12,"_foo":2}', 'bad_request', 'Invalid rev format'],
  ]
  for (const [text, error, reason] of cases)
    t.throws(() => read(text), failure({ name: 'DatabaseError', error, reason }), text)
  for (const id of ['_design/a', '_local/a', 'a_b']) t.equal(read(`{"_id":"${id}"}`).id, id)
})
