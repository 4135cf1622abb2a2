/** `davenport lab check`. */
import type { LabConsole, LabStatus } from '../console.ts'
import { checkStore } from '../contract/contract.ts'
import { loadStore } from '../load-store.ts'

/** Tells the outcome of each check as it comes. */
export async function check(
  words: string,
  settings: Readonly<Record<string, string>>,
  console: LabConsole,
): Promise<LabStatus> {
  const store = await loadStore(words)
  console.out(`${[store.name, store.version].filter((word) => word !== undefined).join(' ')}\n`)
  const broken = await checkStore(store, settings, ({ name, outcome, reason }) => {
    const mark = { held: 'ok   ', broken: 'WRONG', 'left out': '-    ' }[outcome]
    console.out(`  ${mark} ${name}${reason === undefined ? '' : `\n        ${reason}`}\n`)
  })
  console.out(broken.length === 0 ? 'the adapter does what it promises\n' : `wrong: ${broken.length}\n`)
  return broken.length === 0 ? 0 : 1
}
