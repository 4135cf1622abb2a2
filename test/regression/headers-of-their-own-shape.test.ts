/**
 * The headers of each answer to a PUT had a hidden class of their own, which took 238 bytes of the old generation when they were
 * gone through.
 */
import { getHeapSpaceStatistics } from 'node:v8'
import t from 'tap'
import { taggedJson, writtenJson } from '../../src/http/answer/answer.ts'

const TIMES = 20_000
const MOST_BYTES_EACH = 100

function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')!.space_used_size
}

let sent: string[] = []

function answerOne(at: number): void {
  const etag = `"1-${at}"`
  const location = `http://localhost/db/${at}`
  const answers = [
    writtenJson(201, String(at), '1-a', { etag, location }),
    writtenJson(201, String(at), '1-a', { etag: undefined, location }),
    taggedJson(200, '{}\n', etag),
  ]
  sent = []
  for (const { headers } of answers) for (const name in headers) sent.push(name, headers[name]!)
}

t.test('headers of answers to writes and reads take nothing that lasts', async (t) => {
  for (let at = 0; at < TIMES; at++) answerOne(at)
  const before = oldBytes()
  for (let at = 0; at < TIMES; at++) answerOne(at)
  t.equal(sent.length, 20)
  t.ok(oldBytes() - before < TIMES * MOST_BYTES_EACH)
})
