/**
 * Fauxton at `/_utils/`, driven in Chromium by real clicks, from the log-in to a finished replication. Each step ends without
 * a fault of the page, and its effect is looked up over HTTP where it has one.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import t from 'tap'
import { skipWithoutBrowser, startBrowser } from '../support/browser.ts'
import { ask } from '../support/http-request.ts'
import { startTestServer } from '../support/http-server.ts'
import { until } from '../support/until.ts'

const LATER_MS = 200

/** Replaces what an editor has, as somebody who selects all and pastes: its keys complete brackets. */
async function setEditor(page: Page, selector: string, text: string): Promise<void> {
  await page.locator(selector).click()
  await page.keyboard.press('Control+A')
  await page.keyboard.press('Delete')
  await page.keyboard.insertText(text)
}

t.test('Fauxton', { skip: skipWithoutBrowser(), bail: true }, async (t) => {
  const server = await startTestServer()
  t.teardown(() => server.stop())
  if ((await ask(server, 'GET /_utils/')).status === 404) return t.comment('Fauxton was not fetched')
  const browser = await startBrowser()
  t.teardown(() => browser.close())
  const { page, faults } = await browser.open(server.url)
  const json = async (request: string, body?: unknown) => (await ask(server, request, { json: body })).json
  const link = (name: string) => page.getByRole('link', { name, exact: true })
  const button = (name: string | RegExp) => page.getByRole('button', { name })
  const cell = (text: string) => page.locator(`#dashboard td[title="${text}"]`).first()
  /** What it says of success lies over buttons for some seconds. */
  const dismissToast = () => page.locator('.Toastify__toast').last().click()
  const database = (rest: string) => page.goto(`/_utils/#/database/letters/${rest}`)
  const step = (name: string, run: () => Promise<unknown>, ...expected: RegExp[]) =>
    t.test(name, async (t) => {
      await run()
      t.strictSame(faults(...expected), [])
    })

  const signInWrongly = async () => {
    await page.goto('/_utils/')
    await page.fill('#username', 'admin')
    await page.fill('#password', 'wrong')
    await page.click('#submit')
    await page.locator('.Toastify__toast--error').waitFor()
  }
  await step('a wrong password is refused', signInWrongly, /^401: POST \S+\/_session$/)

  await step('the right one shows the databases', async () => {
    await page.fill('#password', 'secret')
    await page.click('#submit')
    await page.locator('table.databases').waitFor()
    await link('_users').waitFor()
  })

  await step('a database is created', async () => {
    await button('Create Database').click()
    await page.fill('#js-new-database-name', 'letters')
    await page.getByLabel('Non-partitioned').check()
    await page.click('#js-create-database')
    await page.waitForURL(/letters\/_all_docs/)
    t.match(await json('GET /letters'), { doc_count: 0 })
  })

  await step('a document is written, changed and gets an attachment', async () => {
    await dismissToast()
    await link('Create Document').click()
    await setEditor(page, '#doc-editor', '{"_id": "ada", "born": 1815}')
    await button('Create Document').click()
    await cell('ada').click()
    await button('Save Changes').waitFor()
    const { _rev } = (await json('GET /letters/ada')) as { _rev: string }
    await setEditor(page, '#doc-editor', JSON.stringify({ _id: 'ada', _rev, born: 1815, died: 1852 }))
    await button('Save Changes').click()
    await cell('ada').click()
    await dismissToast()
    await button('Upload Attachment').click()
    const dialog = page.locator('.upload-file-modal')
    const note = { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('engine') }
    await dialog.locator('input[type=file]').setInputFiles(note)
    await dialog.getByRole('button', { name: 'Upload Attachment' }).click()
    await button('View Attachments').click()
    await page.getByRole('menuitem', { name: /note\.txt.*6 bytes/ }).waitFor()
    t.match(await json('GET /letters/ada'), { died: 1852, _attachments: { 'note.txt': { length: 6 } } })
  })

  await step('a conflict is solved', async () => {
    const docs = ['1-a', '1-b'].map((_rev) => ({ _id: 'byron', _rev, from: _rev }))
    await json('POST /letters/_bulk_docs', { new_edits: false, docs })
    // Fauxton fails over a document that comes together with what it asks of the database, whatever the server, and over
    // another one after an upload: its page is loaded anew, and the document a little later.
    await page.route(
      ({ pathname }) => pathname === '/letters/byron',
      async (route) => {
        await sleep(LATER_MS)
        await route.continue()
      },
    )
    await page.goto('about:blank')
    await database('byron')
    await button(/Conflicts \(1\)/).click()
    await button('Select as Winner').click()
    await button('Delete Revisions').click()
    await cell('byron').waitFor()
    t.strictSame(await json('GET /letters/byron?conflicts=true'), {
      _id: 'byron',
      _rev: '1-a',
      from: '1-a',
    })
  })

  await step('a selector finds documents', async () => {
    await link('Run A Query with Mango').click()
    await setEditor(page, '#query-field', '{"selector": {"born": {"$gt": 1800}}}')
    await button('Run Query').click()
    await cell('1852').waitFor()
    await button('Explain').click()
    await page.getByText('"dbname"').first().waitFor()
  })

  await step('a view is written and built', async () => {
    await database('_all_docs')
    await page.locator('#new-design-docs-button .dropdown-toggle').click()
    await page.locator('#new-design-docs-button').getByRole('link', { name: 'New View' }).click()
    await page.fill('#new-ddoc', 'people')
    await page.fill('#index-name', 'by_birth')
    await setEditor(page, '#map-function', 'function (doc) {\n  if (doc.born) emit(doc.born, 1)\n}')
    await page.selectOption('#reduce-function-selector', '_count')
    await page.click('#save-view')
    await cell('1815').waitFor()
  })

  await step('members are named', async () => {
    await link('Permissions').click()
    const form = page.locator('.permissions__members .permissions-add-user')
    await form.getByPlaceholder('Username').fill('ada')
    await form.getByRole('button', { name: 'Add User' }).click()
    await page.locator('.permissions__members .permissions__entry', { hasText: 'ada' }).waitFor()
    t.match(await json('GET /letters/_security'), { members: { names: ['ada'] } })
  })

  await step('a replication comes to its end', async () => {
    await page.goto('/_utils/#/replication/_create')
    await page.selectOption('#replication-source', 'REPLICATION_SOURCE_LOCAL')
    await page.locator('.replication__input-react-select input[role=combobox]').fill('letters')
    // The names are asked for when the page opens: before they have come there is nothing to choose.
    await page.getByRole('option', { name: 'letters' }).first().waitFor()
    await page.keyboard.press('Enter')
    await page
      .locator('select#replication-target')
      .first()
      .selectOption('REPLICATION_TARGET_NEW_LOCAL_DATABASE')
    await page.fill('.replication__new-input', 'copies')
    for (const side of ['source', 'target']) {
      await page.selectOption(`#select-replication-${side}-auth`, 'BASIC_AUTH')
      await page.fill(`#replication-${side}-auth-password`, 'secret')
    }
    await page.click('#replicate')
    await page.locator('.replication__table-row').waitFor()
    await until('the replication ends', async () => {
      const { docs } = (await json('GET /_scheduler/docs')) as { docs: { state: string }[] }
      return docs[0]?.state === 'completed'
    })
    await page.getByText('Refresh', { exact: true }).click()
    await page.locator('.replication__row-status--completed').waitFor()
    t.match(await json('GET /copies'), { doc_count: 3 })
  })

  await step('tasks are listed', async () => {
    await page.goto('/_utils/#/activetasks')
    await page.getByText('No active tasks', { exact: false }).waitFor()
  })

  await step('the configuration is changed', async () => {
    await page.goto('/_utils/#_config')
    await button('Add Option').click()
    await page.fill('.input-section-name', 'couchdb')
    await page.fill('.input-option-name', 'max_document_size')
    await page.fill('.input-value', '1000000')
    await page.click('.btn-create')
    await page.locator('.config-item', { hasText: 'max_document_size' }).waitFor()
    t.equal(await json('GET /_node/_local/_config/couchdb/max_document_size'), '1000000')
    await page.goto('/_utils/#_config/nonode@nohost/cors')
    await page.getByText('CORS is currently disabled').waitFor()
  })

  await step('an administrator is created', async () => {
    await page.goto('/_utils/#addAdmin/nonode@nohost')
    await page.fill('#create-admin-form #username', 'grace')
    await page.fill('#create-admin-form #password', 'secret')
    await page.click('#create-admin')
    const status = async () => (await ask(server, 'GET /_all_dbs', { as: 'grace:secret' })).status
    await until('grace is one', async () => (await status()) === 200)
  })

  await step(
    'the server is set up, and Fauxton finds that all of it works',
    async () => {
      await page.goto('/_utils/#setup')
      await page.getByText('configured for production usage as a single node').waitFor()
      await page.goto('/_utils/#verifyinstall')
      await button('Verify Installation').click()
      await page.locator('.Toastify__toast--success', { hasText: 'Success' }).waitFor()
      // It looks for what an earlier run of it left.
    },
    /^404: GET \S+\/verifytestdb(_replicate)?$/,
  )
})
