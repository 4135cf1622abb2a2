import { parseArgs } from 'node:util'
import { describeError } from '../base/log.ts'
import { ConfigError } from '../config/ini.ts'
import { check, type ReportFlags } from './check.ts'
import { compact } from './compact.ts'
import { type InspectFlags, inspect, reasonAgainstFlags } from './inspect/inspect.ts'
import { type MigrateFlags, migrate } from './migrate/migrate.ts'
import { type Console, EXIT, type Parts } from './parts.ts'
import { type ServeFlags, serve } from './serve.ts'
import { explain } from './system-error.ts'
import { COMMANDS, type Command, usage } from './usage.ts'

const COMMON_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const

const MIGRATE_OPTIONS = {
  ...COMMON_OPTIONS,
  all: { type: 'boolean' },
  continuous: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const

const REPORT_OPTIONS = { ...COMMON_OPTIONS, json: { type: 'boolean' } } as const

const INSPECT_OPTIONS = {
  ...REPORT_OPTIONS,
  map: { type: 'string' },
  at: { type: 'string' },
  node: { type: 'string' },
} as const

const SERVE_OPTIONS = {
  ...COMMON_OPTIONS,
  host: { type: 'string' },
  port: { type: 'string' },
  'data-dir': { type: 'string' },
  admin: { type: 'string', multiple: true },
  cors: { type: 'string', multiple: true },
  config: { type: 'string' },
  gateway: { type: 'string' },
} as const

const OPTIONS = {
  serve: SERVE_OPTIONS,
  check: REPORT_OPTIONS,
  compact: REPORT_OPTIONS,
  inspect: INSPECT_OPTIONS,
  migrate: MIGRATE_OPTIONS,
} as const satisfies Record<Command, unknown>

type Flags = ServeFlags & MigrateFlags & ReportFlags & InspectFlags

/** A command line that makes no sense. */
class UsageError extends Error {}

/**
 * Runs one command; `args` are those after the program's name. Resolves with the exit status: 0, 1 for a
 * failure or a damaged file, 2 for a wrong command line or configuration.
 */
export async function runCommandLine(
  args: readonly string[],
  parts: Parts,
  console: Console,
): Promise<number> {
  const [first, ...rest] = args
  const command = COMMANDS.find((name) => name === first)
  try {
    if (first === 'help') return help(rest, console)
    if (first === 'lab') {
      // Servers do without its modules.
      const { runLab } = await import('../lab/command-line.ts')
      return await runLab(rest, console, parts.openInspection)
    }
    if (command === undefined) return withoutCommand(args, parts, console)
    const options = OPTIONS[command]
    const { values, positionals } = parse(rest, options)
    if (values.help) console.out(usage(command))
    else if (values.version) console.out(`${parts.version}\n`)
    else return await runCommand(command, values as Flags, positionals, parts, console)
    return EXIT.ok
  } catch (error) {
    console.err(`davenport: ${explain(error)}\n`)
    if (error instanceof UsageError) {
      console.err(`Try: davenport ${command === undefined ? '' : `${command} `}--help\n`)
    }
    return error instanceof UsageError || error instanceof ConfigError ? EXIT.usage : EXIT.failure
  }
}

/** `help`, `help COMMAND`. */
function help(args: readonly string[], console: Console): number {
  const { positionals } = parse(args, COMMON_OPTIONS)
  const [name, ...more] = positionals
  const command = COMMANDS.find((each) => each === name)
  if (more.length > 0 || (name !== undefined && command === undefined)) {
    throw new UsageError(`unknown command ${JSON.stringify(positionals.join(' '))}`)
  }
  console.out(usage(command))
  return EXIT.ok
}

function withoutCommand(args: readonly string[], parts: Parts, console: Console): number {
  const { values, positionals } = parse(args, COMMON_OPTIONS)
  if (positionals.length > 0) throw new UsageError(`unknown command ${JSON.stringify(positionals[0])}`)
  if (values.version) console.out(`${parts.version}\n`)
  else if (values.help) console.out(usage())
  else {
    console.err(usage())
    return EXIT.usage
  }
  return EXIT.ok
}

function runCommand(
  command: Command,
  flags: Flags,
  positionals: readonly string[],
  parts: Parts,
  console: Console,
): Promise<number> {
  if (command === 'serve') {
    if (positionals.length > 0) throw new UsageError(`unexpected ${JSON.stringify(positionals[0])}`)
    return serve(flags, parts, console)
  }
  if (command === 'migrate') {
    const [source, target, ...more] = positionals
    if (source === undefined || target === undefined || more.length > 0) {
      throw new UsageError('migrate takes SOURCE and TARGET')
    }
    return migrate(source, target, flags, parts, console)
  }
  const [file] = positionals
  if (file === undefined || positionals.length > 1) throw new UsageError(`${command} takes one FILE`)
  if (command === 'check') return check(file, flags, parts, console)
  if (command === 'compact') return compact(file, flags, parts, console)
  const reason = reasonAgainstFlags(file, flags)
  if (reason !== undefined) throw new UsageError(reason)
  return inspect(file, flags, parts, console)
}

function parse(
  args: readonly string[],
  options: (typeof OPTIONS)[Command] | typeof COMMON_OPTIONS,
): { values: { help?: boolean; version?: boolean } & Record<string, unknown>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
    return { values: { ...values }, positionals }
  } catch (error) {
    throw new UsageError(describeError(error))
  }
}
