/**
 * Pages driven in headless Chromium, the one that the system has: nothing is downloaded. Where there is none, tests are
 * skipped and say why.
 *
 * What a page must not do is collected as faults: errors on its console, exceptions that nobody caught, requests that
 * failed, answers of 400 and above, and requests to other hosts than the server's. A test says which of them it expects
 * and fails for every other one.
 */
import { existsSync } from 'node:fs'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

/** Where the packages of systems put it; `DAVENPORT_TEST_CHROMIUM` names another one. */
const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
]
/** A page that takes longer for one step hangs; generous, since a machine may be busy with other things. */
const STEP_TIMEOUT_MS = 20_000
/** As the console tells an answer of 400 and above, of which there is a fault already. */
const TOLD_TWICE = /^Failed to load resource: the server responded with a status of/

function chromiumPath(): string | undefined {
  const places = [process.env['DAVENPORT_TEST_CHROMIUM'] ?? '', ...PLACES]
  return places.find((place) => place !== '' && existsSync(place))
}

/** For `t.test`'s `skip` and `t.plan`'s reason: why no page can be driven here, or false. */
export function skipWithoutBrowser(): string | false {
  if (chromiumPath() !== undefined) return false
  return 'there is no Chromium: `apt-get install chromium`, or name one in DAVENPORT_TEST_CHROMIUM'
}

export interface WatchedPage {
  readonly page: Page
  /** What went wrong since the last time it was asked, without what one of `expected` matches; empty where all is well. */
  faults(...expected: readonly RegExp[]): string[]
  /** With its cookies and its storage. */
  close(): Promise<void>
}

export interface TestBrowser {
  /** A page with cookies of its own. `origin` is that of the server, the only one that the page may ask. */
  open(origin: string, options?: BrowserContextOptions): Promise<WatchedPage>
  close(): Promise<void>
}

/** Throws where `skipWithoutBrowser()` has a reason. */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = chromiumPath()
  if (executablePath === undefined) throw new Error('there is no Chromium')
  // Tests run as root in containers, where its sandbox and a small /dev/shm stand in its way.
  const args = ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu']
  const browser = await chromium.launch({ executablePath, args })
  return {
    open: (origin, options) => openPage(browser, new URL(origin).origin, options),
    close: () => browser.close(),
  }
}

async function openPage(
  browser: Browser,
  origin: string,
  options?: BrowserContextOptions,
): Promise<WatchedPage> {
  const context = await browser.newContext({ baseURL: origin, ...options })
  context.setDefaultTimeout(STEP_TIMEOUT_MS)
  const page = await context.newPage()
  const found: string[] = []
  page.on('console', (message) => {
    if (message.type() !== 'error' || TOLD_TWICE.test(message.text())) return
    found.push(`console: ${message.text()} (${message.location().url})`)
  })
  page.on('pageerror', (error) => found.push(`exception: ${error.stack ?? error.message}`))
  page.on('requestfailed', (request) => {
    found.push(`failed: ${request.method()} ${request.url()}: ${request.failure()?.errorText}`)
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (/^https?:$/.test(url.protocol) && url.origin !== origin) found.push(`elsewhere: ${request.url()}`)
  })
  page.on('response', (response) => {
    if (response.status() < 400) return
    found.push(`${response.status()}: ${response.request().method()} ${response.url()}`)
  })
  return {
    page,
    faults: (...expected) => found.splice(0).filter((fault) => !expected.some((each) => each.test(fault))),
    close: () => context.close(),
  }
}
