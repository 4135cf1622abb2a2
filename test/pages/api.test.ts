/** `/_dashboard/api/`: the page that shows `/_openapi.json`, driven in Chromium. */
import t from 'tap'
import { isAccessible } from '../support/accessibility.ts'
import { skipWithoutBrowser, startBrowser } from '../support/browser.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.setTimeout(300_000)

/** What axe-core says of the viewer's own elements: links within buttons, and selections without a label. */
const OF_THE_VIEWER = ['nested-interactive', 'select-name']

const server = await startTestServer()
t.teardown(() => server.stop())

t.test('its files, or how to get them', async (t) => {
  const nobody = { as: null }
  const moved = await ask(server, 'GET /_dashboard/api', nobody)
  t.match([moved.status, moved.headers.location], [301, /^http:\/\/127\.0\.0\.1:\d+\/_dashboard\/api\/$/])
  const page = await ask(server, 'GET /_dashboard/api/', nobody)
  t.equal(page.headers['content-type'], 'text/html')
  t.match(
    page.headers['content-security-policy'],
    /^default-src 'none'; script-src 'self'; style-src 'self';/,
  )
  if (page.status === 404) t.match(page.text, /Swagger UI is not installed.*npm run build -- --fetch/s)
  const script = await ask(server, 'GET /_dashboard/api/main.js', nobody)
  t.match([script.status, script.headers['content-type']], [200, 'application/javascript'])
  for (const path of ['none', '.integrity', '..%2Ffauxton%2Findex.html', 'index.html/more']) {
    const { status, text } = await ask(server, `GET /_dashboard/api/${path}`, nobody)
    t.match([status, text], [404, 'Not found.'], path)
  }
  t.match((await ask(server, 'POST /_dashboard/api/', nobody)).headers.allow, 'GET,HEAD')
})

t.test('in a browser', { skip: skipWithoutBrowser(), timeout: 300_000 }, async (t) => {
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const { page, faults } = await browser.open(server.http.url, { colorScheme: 'dark' })
  const response = await page.goto('/_dashboard/api/')
  if (response?.status() === 404) return t.comment('Swagger UI was not fetched')
  // The viewer takes its time over hundreds of operations.
  await page.locator('#operations-tag-server').click({ timeout: 120_000 })
  t.equal(await page.locator('html.dark-mode').count(), 1, 'it is dark where the browser is')
  const up = page.locator('.opblock-get', { has: page.locator('[data-path="/_up"]') })
  await up.locator('.opblock-summary-control').click()
  await up.locator('.try-out__btn').click()
  await up.locator('.execute').click()
  const told = up.locator('.live-responses-table .highlight-code').first()
  await told.waitFor()
  t.match(await told.textContent(), /"status": "ok"/, 'a request is tried out')
  await isAccessible(t, page, 'with an operation that is open', OF_THE_VIEWER)
  await page.setViewportSize({ width: 390, height: 844 })
  const widths = '[document.documentElement.scrollWidth, innerWidth]'
  const [scrolled, seen] = (await page.evaluate(widths)) as number[]
  t.equal(scrolled, seen, 'the page is no wider than the screen')
  t.strictSame(faults(), [])
})
