/** What `davenport lab --help` and its commands' help say. */
import { BUILT_IN_NAMES } from './load-store.ts'

export const LAB_COMMANDS = ['check'] as const

export type LabCommand = (typeof LAB_COMMANDS)[number]

const STORE = `  --store STORE      the file of an adapter (./my-store.js), or one of
                     ${BUILT_IN_NAMES.join(', ')}
  --set NAME=VALUE   a setting for the store; may be repeated
`

const MAIN = `Usage: davenport lab COMMAND --store STORE [options]

Measures storage engines and breaks them. An adapter is one file of yours: docs/LAB.md leads through one.

Commands:
  check    hold an adapter against the interface, before anything is measured or broken

${STORE}  --help, -h         show this, or the help of a command
`

const CHECK = `Usage: davenport lab check --store STORE [options]

Tries what the interface says of each function, and what the store's capabilities promise, and tells what is wrong.

Exit status: 0 all held, 1 something was broken, 2 there is no such store, or it cannot be loaded.

${STORE}  --help, -h         show this
`

export function labUsage(command?: LabCommand): string {
  return command === 'check' ? CHECK : MAIN
}
