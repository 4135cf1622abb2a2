/** What axe-core finds on a page. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import type { Test } from 'tap'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface Violation {
  readonly id: string
  readonly impact: string
  readonly nodes: readonly { readonly html: string }[]
}

/**
 * Nothing that keeps anybody from using the page as it is now: no serious or critical fault.
 * @param but Ids of axe-core's rules whose faults are of others than us.
 */
export async function isAccessible(
  t: Test,
  page: Page,
  what: string,
  but: readonly string[] = [],
): Promise<void> {
  // A color halfway through a transition is nobody's choice: what moves to an end has come there first.
  const settled =
    'Promise.all(document.getAnimations().filter((one) => one.effect.getComputedTiming().endTime < Infinity)' +
    '.map((one) => one.finished.catch(() => undefined)))'
  const run = `${settled}.then(() => axe.run()).then(({ violations }) => violations)`
  const violations = (await page.evaluate(`${AXE};${run}`)) as Violation[]
  const serious = violations.filter(
    ({ id, impact }) => (impact === 'serious' || impact === 'critical') && !but.includes(id),
  )
  t.strictSame(
    serious.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
    [],
    what,
  )
}
