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
  const whole = new Promise<string[]>((resolve) => {
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes < least) return
      const found = bodiesOf(Buffer.concat(chunks))
      if (found.length === ANSWERS) resolve(found)
    })
  })
  socket.resume()
  for (let i = 0; i < 20; i++) await ask(server, 'GET /others/_all_docs?include_docs=true')
  for (const [at, body] of (await whole).entries()) if (body !== wanted) t.fail(`answer ${at}`)
})

/** The bodies of the whole answers: those that took a little longer came in chunks. */
function bodiesOf(bytes: Buffer): string[] {
  const bodies: string[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    if (end < 0) return bodies
    const head = bytes.toString('latin1', at, end)
    at = end + 4
    const length = /content-length: (\d+)/i.exec(head)?.[1]
    let body = ''
    if (length !== undefined) {
      body = bytes.toString('utf8', at, at + Number(length))
      at += Number(length)
    } else {
      for (let size = -1; size !== 0; ) {
        const line = bytes.indexOf('\r\n', at)
        if (line < 0) return bodies
        size = Number.parseInt(bytes.toString('latin1', at, line), 16)
        body += bytes.toString('utf8', line + 2, line + 2 + size)
        at = line + 2 + size + 2
      }
    }
    if (at > bytes.length) return bodies
    bodies.push(body)
  }
}
