/** Files that browsers load, over sockets: `/_utils/` and its redirects, from a folder that is there and from none. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { WebFolder } from '../../src/web/web-folder.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

const server = await startTestServer()
t.teardown(() => server.stop())

const nobody = { as: null }

async function textOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of bytes) text += Buffer.from(chunk).toString('latin1')
  return text
}

t.test('a folder of files', async (t) => {
  const outside = mkdtempSync(join(tmpdir(), 'davenport-web-'))
  t.teardown(() => rmSync(outside, { recursive: true }))
  const path = join(outside, 'pages')
  const folder = new WebFolder(path)
  t.equal(await folder.find('index.html'), undefined, 'a folder that is not there has no files')
  mkdirSync(join(path, 'css'), { recursive: true })
  writeFileSync(join(outside, 'secret'), 'secret')
  writeFileSync(join(path, '.hidden'), 'hidden')
  writeFileSync(join(path, 'index.html'), 'hello')
  const long = Buffer.alloc(300_000, 'abc')
  writeFileSync(join(path, 'css', 'long.css'), long)
  const index = await folder.find('index.html')
  t.match(index, { type: 'text/html', length: 5, etag: /^"[\w-]{22}"$/ }, 'it is found once it is there')
  for (const name of ['', '.hidden', '../secret', 'css', 'css/../../secret', path, 'css\\long.css', 'a\0b']) {
    t.equal(await folder.find(name), undefined, JSON.stringify(name))
  }
  const css = (await folder.find('css/long.css'))!
  const text = await textOf(css.bytes())
  t.equal(
    createHash('sha1').update(text, 'latin1').digest('hex'),
    createHash('sha1').update(long).digest('hex'),
  )
  writeFileSync(join(path, 'css', 'long.css'), 'other')
  const other = await folder.find('css/long.css')
  t.equal(other?.length, 5)
  t.not(other?.etag, css.etag, 'another content has another tag')
  await t.rejects(textOf(css.bytes()), /shorter/, 'what was promised and is gone is an error')
})

t.test('the bare name redirects', async (t) => {
  for (const path of ['/_utils', '/_utils?x=1']) {
    const { status, headers, text } = await ask(server, `GET ${path}`, nobody)
    t.match([status, headers.location, text], [301, /^http:\/\/127\.0\.0\.1:\d+\/_utils\/$/, ''], path)
  }
  const { status, headers } = await ask(server, 'POST /_utils/', nobody)
  t.match([status, headers.allow], [405, 'GET,HEAD'])
})

t.test('what is not there', async (t) => {
  for (const path of [
    'nothing',
    '../package.json',
    '%2e%2e/package.json',
    '..%2Fpackage.json',
    '.integrity',
  ]) {
    const { status, headers, text } = await ask(server, `GET /_utils/${path}`, nobody)
    t.match([status, text, headers['content-type']], [404, 'Not found.', 'text/plain'], path)
  }
})

t.test('files, or how to get them', async (t) => {
  const page = await ask(server, 'GET /_utils/', nobody)
  t.equal(page.headers['content-type'], 'text/html')
  t.equal(page.headers['cache-control'], 'private, must-revalidate')
  t.match(page.headers['content-security-policy'], /^child-src 'self' data: blob:; default-src 'self';/)
  if (page.status === 404) {
    t.match(page.text, /npm run build -- --fetch/)
    t.comment('Fauxton was not fetched')
    return
  }
  t.match(page.text, /<title>Project Fauxton<\/title>/)
  const { etag, 'last-modified': modified } = page.headers
  const again = (headers: Record<string, string>) => ask(server, 'GET /_utils/', { as: null, headers })
  t.match(await again({ 'if-none-match': etag! }), { status: 304, text: '', headers: { etag } })
  t.equal((await again({ 'if-none-match': '"other"', 'if-modified-since': modified! })).status, 200)
  t.equal((await again({ 'if-modified-since': modified! })).status, 304)
  const head = await ask(server, 'HEAD /_utils/', nobody)
  t.match([head.status, head.text, head.headers['content-length']], [200, '', String(page.text.length)])
  const script = /src="(dashboard\.assets\/js\/vendor[^"]+)"/.exec(page.text)![1]
  const { text, headers } = await ask(server, `GET /_utils/${script}`, nobody)
  t.equal(headers['content-type'], 'application/javascript')
  t.equal(Buffer.byteLength(text), Number(headers['content-length']))
})

t.test('the policy is configured', async (t) => {
  const set = (key: string, value: string) =>
    ask(server, `PUT /_node/_local/_config/csp/${key}`, { json: value })
  const policy = async () => (await ask(server, 'GET /_utils/', nobody)).headers['content-security-policy']
  await set('utils_header_value', "default-src 'self'")
  t.equal(await policy(), "default-src 'self'")
  await set('utils_enable', 'false')
  t.match(await policy(), "child-src 'self' data: blob:", 'the older keys count then')
  await set('header_value', "default-src 'none'")
  t.equal(await policy(), "default-src 'none'")
  await set('enable', 'false')
  t.equal(await policy(), undefined)
})

t.test('who takes HTML alone is sent to sign in', async (t) => {
  const accept = (value: string) =>
    ask(server, 'GET /_all%5Fdbs?limit=1', { as: null, headers: { accept: value } })
  const sent = await accept('text/html')
  t.match(
    [sent.status, sent.headers.location, sent.json],
    [
      302,
      /\/_utils\/session\.html\?return=%2F_all_dbs&reason=You%20are%20not%20a%20server%20admin\.$/,
      { error: 'unauthorized' },
    ],
  )
  for (const value of ['application/json', 'text/html, */*', 'image/png']) {
    t.equal((await accept(value)).status, 401, value)
  }
  const asked = { accept: 'text/html', 'x-couchdb-www-authenticate': 'Basic realm="here"' }
  const challenged = await ask(server, 'GET /_all_dbs', { as: null, headers: asked })
  t.match([challenged.status, challenged.headers['www-authenticate']], [401, 'Basic realm="here"'])
  const forbidden = await ask(server, 'GET /_nothing_here_/x', { as: null, headers: { accept: 'text/html' } })
  t.not(forbidden.status, 500)
  const login = await ask(server, 'GET /_utils/session.html?return=x', nobody)
  t.match([login.status, login.headers.location], [302, /\/_utils\/#login$/])
  const key = '/_node/_local/_config/chttpd_auth/authentication_redirect'
  t.equal((await ask(server, `PUT ${key}`, { json: '//elsewhere.example/' })).status, 400)
  await ask(server, `PUT ${key}`, { json: '/login' })
  t.match((await accept('text/html')).headers.location, /^http:\/\/127\.0\.0\.1:\d+\/login\?return=/)
})
