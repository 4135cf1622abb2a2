/** What answers to writes say of ids and revisions that JSON has to escape, and of those that it has not. */
import t from 'tap'
import { writtenJson } from '../../src/http/answer/answer.ts'

const TEXTS = ['a', '', ' !#[]^~', '"', '\\', '\n', '\x7f', 'é', '→', '😀', '\ud800', '1-abc']

t.test('the text of a written document is JSON, whatever its id and revision are', async (t) => {
  for (const id of TEXTS) {
    for (const rev of TEXTS) {
      const { body, isBytes } = writtenJson(201, id, rev, { etag: undefined, location: '/' })
      t.equal(body, `${JSON.stringify({ ok: true, id, rev })}\n`)
      // Each character is a byte there.
      if (isBytes) t.match(body, /^[\x20-\x7e]*\n$/)
    }
  }
})
