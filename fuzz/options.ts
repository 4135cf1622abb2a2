/** The command line of the fuzzer. */
import { randomInt } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'

export interface RunOptions {
  readonly command: 'run' | 'smoke' | 'list' | 'mutations' | 'help'
  readonly target: string | undefined
  readonly seed: number
  /** Most events over all cases of a job. */
  readonly events: number
  readonly seconds: number
  readonly jobs: number
  /** The numbers of the events of a single case. */
  readonly only: readonly number[] | undefined
  readonly shrinks: boolean
  /** Of a run: a report in JSON on standard output. */
  readonly json: boolean
  /** Of the target `stores`. */
  readonly store: string | undefined
  /** Of the target `threads`. */
  readonly threads: number | undefined
}

export const USAGE = `Usage: npm run fuzz -- <command or options>

  --target T     what to fuzz: one of the names that 'list' prints
  --seed S       a whole number below 2^32; drawn and printed when absent
  --events N     stop after so many events
  --seconds N    stop after so long (default 60 when neither is given)
  --jobs N       so many processes, each with seeds of its own (default 1; at most ${availableParallelism()} are of use here)
  --only 1,5,9   of one case the events of these numbers alone
  --store S      of the target 'stores': native-free-btree, lmdb, classic-level or better-sqlite3
  --threads N    of the target 'threads': so many threads take requests (default 4; 0: the main thread does)
  --no-shrink    do not look for the shortest event list of a failure
  --json         of a run: print one object of JSON, and what is for people on standard error

  --store S …    without a target: a store of your own (./my-store.mjs), as 'davenport lab fuzz --help' says

  list           the targets
  smoke          every target for some seconds, the seeds that once failed, and the canary, which must fail
  mutations      breaks the engine in one place after another and counts what the fuzzer finds
                 (--seconds N: at most so long for each, default 60; --target NAME: that mutation alone)

A failing run prints the command that repeats it and ends with status 1. The last line is 'N passed, M failed'.
`

/** A mistake on the command line. */
export class UsageError extends Error {}

/** Reads the arguments behind the program's name. Throws UsageError. */
export function readOptions(args: readonly string[]): RunOptions {
  const { values, positionals } = parse(args)
  const command = values.help ? 'help' : commandOf(positionals)
  const seconds = whole(values.seconds, 'seconds')
  const events = whole(values.events, 'events')
  if (command === 'run' && values.target === undefined) throw new UsageError('--target is missing')
  return {
    command,
    target: values.target,
    seed: whole(values.seed, 'seed') ?? randomInt(2 ** 32),
    events: events ?? Number.POSITIVE_INFINITY,
    seconds: seconds ?? (events === undefined ? 60 : Number.POSITIVE_INFINITY),
    jobs: Math.max(1, whole(values.jobs, 'jobs') ?? 1),
    only: values.only?.split(',').map((text) => whole(text, 'only')!),
    store: values.store,
    threads: whole(values.threads, 'threads'),
    shrinks: values['no-shrink'] !== true,
    json: values.json === true,
  }
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean' } as const
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        target: text,
        seed: text,
        events: text,
        seconds: text,
        jobs: text,
        only: text,
        store: text,
        threads: text,
        'no-shrink': flag,
        json: flag,
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function commandOf(positionals: readonly string[]): RunOptions['command'] {
  const [first, ...more] = positionals
  if (first === undefined) return 'run'
  if (more.length === 0 && ['smoke', 'list', 'mutations', 'help'].includes(first)) {
    return first as RunOptions['command']
  }
  throw new UsageError(`there is no command '${positionals.join(' ')}'`)
}

function whole(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value >= 2 ** 32)
    throw new UsageError(`--${name} ${text} is no whole number`)
  return value
}
