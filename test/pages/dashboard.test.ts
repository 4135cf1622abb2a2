/** `/_dashboard/`, driven in Chromium: log-in, figures that move, tasks, buttons, the keyboard, and what axe-core finds. */
import t from 'tap'
import { isAccessible } from '../support/accessibility.ts'
import { skipWithoutBrowser, startBrowser } from '../support/browser.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'

t.test('the dashboard', { skip: skipWithoutBrowser() }, async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const docs = Array.from({ length: 300 }, (_, at) => ({ _id: `doc${at}`, text: 'x'.repeat(300) }))
  await ask(server, 'PUT /letters')
  await ask(server, 'POST /letters/_bulk_docs', { json: { docs } })
  const { page, faults } = await browser.open(server.url)
  const button = (name: string) => page.getByRole('button', { name, exact: true })
  const row = (name: string) => page.getByRole('row', { name })

  await t.test('signing in, by the keyboard alone', async (t) => {
    await page.goto('/_dashboard/')
    await page.locator('#sign-in').waitFor()
    await isAccessible(t, page, 'where to sign in')
    await page.keyboard.type('admin')
    await page.keyboard.press('Tab')
    await page.keyboard.type('wrong')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').getByText('incorrect').waitFor()
    t.strictSame(faults(/^401: POST \S+\/_session$/), [])
    await page.fill('#password', 'secret')
    await page.keyboard.press('Enter')
    await page.getByText('live', { exact: true }).waitFor()
    t.equal(await page.locator('#sign-in').isVisible(), false)
    t.strictSame(faults(), [])
  })

  await t.test('figures move', async (t) => {
    await row('letters').getByText('300').waitFor()
    await ask(server, 'PUT /letters/another', { json: {} })
    await row('letters').getByText('301').waitFor()
    await row('Writes of documents')
      .getByText(/^0\.\d+$/)
      .first()
      .waitFor()
    // Which requests are the slowest is the machine's to say.
    await page
      .locator('#slow')
      .getByRole('row', { name: /(?:GET|POST|PUT) \// })
      .first()
      .waitFor()
    await page.fill('#filter', 'nothing')
    await page.getByText('; 0 match').waitFor()
    await page.fill('#filter', '')
    t.strictSame(faults(), [])
  })

  await t.test('a database is mapped and compacted', async (t) => {
    await button('Map letters').click()
    await page.getByRole('img', { name: 'The file of letters' }).waitFor()
    await page.getByText(/^document bodies \d/).waitFor()
    await isAccessible(t, page, 'the map')
    await page.keyboard.press('Escape')
    await page.locator('#map-dialog').waitFor({ state: 'hidden' })
    await button('Compact letters').click()
    await page.getByText('The compaction of letters has begun.').waitFor()
    await page.getByText('Compaction: letters – completed').waitFor()
    t.strictSame(faults(), [])
  })

  await t.test('a task is shown and ended', async (t) => {
    const [source, target] = ['letters', 'copy'].map((name) => `${server.url}/${name}`)
    await ask(server, 'POST /_replicate', { json: { source, target, create_target: true, continuous: true } })
    const task = page.locator('#tasks li', { hasText: 'Replication: letters → copy' })
    await task.getByText(/301 documents written/).waitFor()
    await isAccessible(t, page, 'all of it')
    await button('End Replication: letters → copy').click()
    await page.getByText('Nothing runs.').waitFor()
    t.strictSame(faults(), [])
  })

  await t.test('dark on a telephone', async (t) => {
    await page.setViewportSize({ width: 390, height: 844 })
    await page.emulateMedia({ colorScheme: 'dark' })
    await isAccessible(t, page, 'dark')
    const widths = '[document.documentElement.scrollWidth, innerWidth]'
    const [scrolled, seen] = (await page.evaluate(widths)) as number[]
    t.equal(scrolled, seen, 'the page is no wider than the screen')
    const table = "document.querySelector('.databases').parentElement"
    const [inside, shown] = (await page.evaluate(`[${table}.scrollWidth, ${table}.clientWidth]`)) as number[]
    t.equal(inside, shown, 'the buttons of databases are seen')
    await button('Theme: system').click()
    await button('Theme: light').waitFor()
    await isAccessible(t, page, 'light, by choice')
    t.strictSame(faults(), [])
  })

  await t.test('signing out', async (t) => {
    await button('Sign out').click()
    await page.locator('#sign-in').waitFor()
    t.strictSame(faults(/ERR_ABORTED/), [])
  })
})
