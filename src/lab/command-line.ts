/** `davenport lab`: reads the words behind it and runs one of the lab's commands. */
import { parseArgs } from 'node:util'
import { check } from './commands/check.ts'
import type { LabConsole, LabStatus } from './console.ts'
import { LabError, messageOf } from './lab-error.ts'
import { LAB_COMMANDS, type LabCommand, labUsage } from './usage.ts'

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  store: { type: 'string' },
  set: { type: 'string', multiple: true },
} as const

/** Runs one command; `args` are the words behind `lab`. Resolves with the exit status. */
export async function runLab(args: readonly string[], console: LabConsole): Promise<LabStatus> {
  const [first = '', ...rest] = args
  const command = LAB_COMMANDS.find((name) => name === first)
  try {
    if (command === undefined) return withoutCommand(first, console)
    return await runCommand(command, rest, console)
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    console.err(`davenport lab: ${messageOf(error)}\n`)
    return 2
  }
}

function withoutCommand(first: string, console: LabConsole): LabStatus {
  if (['--help', '-h', 'help'].includes(first)) {
    console.out(labUsage())
    return 0
  }
  if (first === '') console.err(labUsage())
  else console.err(`davenport lab: unknown command ${JSON.stringify(first)}\nTry: davenport lab --help\n`)
  return 2
}

async function runCommand(
  command: LabCommand,
  args: readonly string[],
  console: LabConsole,
): Promise<LabStatus> {
  const { values, positionals } = parse(args)
  if (values.help === true) {
    console.out(labUsage(command))
    return 0
  }
  if (positionals.length > 0) throw new LabError(`unexpected ${JSON.stringify(positionals[0])}`)
  if (values.store === undefined)
    throw new LabError(`${command} needs --store: davenport lab ${command} --help`)
  return check(values.store, settingsOf(values.set ?? []), console)
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true })
  } catch (error) {
    throw new LabError(messageOf(error))
  }
}

/** `NAME=VALUE` each. */
function settingsOf(words: readonly string[]): Record<string, string> {
  const settings: Record<string, string> = {}
  for (const word of words) {
    const equals = word.indexOf('=')
    if (equals < 1) throw new LabError(`--set takes NAME=VALUE, not ${JSON.stringify(word)}`)
    settings[word.slice(0, equals)] = word.slice(equals + 1)
  }
  return settings
}
