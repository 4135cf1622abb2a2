/**
 * Short answers are put together in memory of the thread, and handed to the operating system from there. What it does not take
 * at once must not be overwritten by the answers to others.
 */
import { connect } from 'node:net'
import t from 'tap'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const ANSWERS = 500
const DOCUMENTS = 20

t.test('answers that wait for their client stay as they were', async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  for (const [name, letter] of [
    ['mine', 'm'],
    ['others', 'o'],
  ] as const) {
    const docs = Array.from({ length: DOCUMENTS }, (_, at) => ({ _id: `d${at}`, text: letter.repeat(1400) }))
    await ask(server, `PUT /${name}`)
    await ask(server, `POST /${name}/_bulk_docs`, { json: { docs } })
  }
  const wanted = (await ask(server, 'GET /mine/_all_docs?include_docs=true')).text
  t.ok(wanted.length > 20_000 && wanted.length < 32_768, 'an answer of one piece')
  const socket = connect(server.http.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.pause()
  const request = `GET /mine/_all_docs?include_docs=true HTTP/1.1\r\nHost: a\r\nAuthorization: ${server.authorization}\r\n\r\n`
  // Each comes when the one before it was answered, until the operating system takes no more of them.
  for (let i = 0; i < ANSWERS; i++) {
    socket.write(request)
    await ask(server, 'GET /others/_all_docs?include_docs=true')
  }
  const chunks: Buffer[] = []
  let bytes = 0
  const least = ANSWERS * wanted.length
  const whole = new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > least && Buffer.concat(chunks.slice(-2)).toString().endsWith(wanted.slice(-20))) resolve()
    })
  })
  socket.resume()
  for (let i = 0; i < 20; i++) await ask(server, 'GET /others/_all_docs?include_docs=true')
  await whole
  const text = Buffer.concat(chunks).toString()
  let found = 0
  for (let at = text.indexOf('{"total_rows"'); at >= 0; at = text.indexOf('{"total_rows"', at + 1)) {
    if (text.slice(at, at + wanted.length) !== wanted) t.fail(`answer ${found}`)
    found += 1
  }
  t.equal(found, ANSWERS)
})
