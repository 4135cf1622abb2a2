/** `davenport lab`: reads the words behind it and runs one of the lab's commands. */
import { parseArgs } from 'node:util'
import { systemRandom } from '../base/random.ts'
import { DISTRIBUTIONS } from './bench/chooser.ts'
import type { StoreWords } from './bench/run.ts'
import { workloadsOf } from './bench/workloads.ts'
import { bench } from './commands/bench.ts'
import { check } from './commands/check.ts'
import { compare } from './commands/compare.ts'
import { fuzz, fuzzDisk } from './commands/fuzz.ts'
import { fuzzStates } from './commands/fuzz-states.ts'
import { replay } from './commands/replay.ts'
import { type OpensInspection, openWithoutOrders, show } from './commands/show.ts'
import type { LabConsole, LabStatus } from './console.ts'
import { LabError, messageOf } from './lab-error.ts'
import { FAULTS, type FaultName } from './simulated/faults.ts'
import { MODELS, type Model } from './syscalls/models.ts'
import { LAB_COMMANDS, type LabCommand, labUsage } from './usage.ts'

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  store: { type: 'string', multiple: true },
  set: { type: 'string', multiple: true },
  seed: { type: 'string' },
  seconds: { type: 'string' },
  lives: { type: 'string' },
  depth: { type: 'string' },
  model: { type: 'string' },
  states: { type: 'string' },
  commits: { type: 'string' },
  first: { type: 'boolean' },
  faults: { type: 'string' },
  out: { type: 'string' },
  'no-shrink': { type: 'boolean' },
  workload: { type: 'string', multiple: true },
  records: { type: 'string' },
  rounds: { type: 'string' },
  operations: { type: 'string' },
  openings: { type: 'string' },
  cache: { type: 'string' },
  'not-durable': { type: 'boolean' },
  distribution: { type: 'string' },
  folder: { type: 'string' },
  json: { type: 'string' },
  html: { type: 'string' },
  at: { type: 'string' },
  tree: { type: 'string' },
  key: { type: 'string' },
} as const

/** Of OPTIONS, beside `help`, what each command takes. */
const TAKES: Readonly<Record<LabCommand, readonly string[]>> = {
  check: ['store', 'set'],
  fuzz: [
    'store',
    'set',
    'seed',
    'seconds',
    'lives',
    'depth',
    'model',
    'states',
    'commits',
    'first',
    'faults',
    'out',
    'no-shrink',
  ],
  replay: [],
  compare: [],
  show: ['at', 'tree', 'key'],
  bench: [
    'store',
    'set',
    'workload',
    'records',
    'rounds',
    'seconds',
    'operations',
    'openings',
    'seed',
    'cache',
    'not-durable',
    'distribution',
    'folder',
    'json',
    'html',
  ],
}

const DEFAULT_SECONDS = 60
const DEFAULT_COMMITS = 150
const DEFAULT_OUT = 'davenport-lab'

const BENCH_DEFAULTS = { records: 100_000, rounds: 3, seconds: 3, openings: 3, cacheMebibytes: 256, seed: 1 }
const MEBIBYTE = 1024 * 1024

/**
 * Runs one command; `args` are the words behind `lab`. Resolves with the exit status.
 * @param open for files of trees with orders of their own.
 */
export async function runLab(
  args: readonly string[],
  console: LabConsole,
  open: OpensInspection = openWithoutOrders,
): Promise<LabStatus> {
  const [first = '', ...rest] = args
  const command = LAB_COMMANDS.find((name) => name === first)
  try {
    if (command === undefined) return withoutCommand(first, console)
    return await runCommand(command, rest, console, open)
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
  open: OpensInspection,
): Promise<LabStatus> {
  const { values, positionals, tokens } = parse(args)
  if (values.help === true) {
    console.out(labUsage(command))
    return 0
  }
  for (const name of Object.keys(values)) {
    if (!TAKES[command].includes(name)) throw new LabError(`${command} takes no --${name}`)
  }
  const [path, ...more] = positionals
  if (command === 'replay') {
    if (path === undefined || more.length > 0) throw new LabError('replay takes one FILE')
    return replay(path, console)
  }
  if (command === 'show') {
    if (path === undefined || more.length > 0) throw new LabError('show takes one FILE')
    return show(path, { at: values.at, tree: values.tree, key: values.key }, open, console)
  }
  if (command === 'compare') {
    const [other, ...rest] = more
    if (path === undefined || other === undefined || rest.length > 0)
      throw new LabError('compare takes two files: A.json B.json')
    return compare(path, other, console)
  }
  if (path !== undefined) throw new LabError(`unexpected ${JSON.stringify(path)}`)
  const stores = storesOf(tokens)
  const [only, another] = stores
  if (only === undefined) throw new LabError(`${command} needs --store: davenport lab ${command} --help`)
  if (command === 'bench') return benchOf(stores, values, console)
  if (another !== undefined) throw new LabError(`${command} takes one --store`)
  const { words: store, settings } = only
  if (command === 'check') return check(store, settings, console)
  const seconds = numberOf('seconds', values.seconds)
  const seed = numberOf('seed', values.seed) ?? drawnSeed()
  const states = numberOf('states', values.states)
  const depth = depthOf(values.depth)
  if (depth === 2) {
    return fuzzStates(
      {
        store,
        settings,
        seed,
        model: modelOf(values.model),
        commits: numberOf('commits', values.commits) ?? DEFAULT_COMMITS,
        states: states ?? Number.POSITIVE_INFINITY,
        seconds: seconds ?? (states === undefined ? DEFAULT_SECONDS : Number.POSITIVE_INFINITY),
        isFirstEnough: values.first === true,
        out: values.out ?? DEFAULT_OUT,
      },
      console,
    )
  }
  const lives = numberOf('lives', values.lives)
  const isBounded = lives !== undefined || (depth === 3 && states !== undefined)
  const options = {
    store,
    settings,
    seed,
    lives: lives ?? Number.POSITIVE_INFINITY,
    seconds: seconds ?? (isBounded ? Number.POSITIVE_INFINITY : DEFAULT_SECONDS),
    shrinks: values['no-shrink'] !== true,
    out: values.out ?? DEFAULT_OUT,
  }
  if (depth === 1) return fuzz(options, console)
  const faults = faultsNamed(values.faults)
  return fuzzDisk({ ...options, faults, states: states ?? Number.POSITIVE_INFINITY }, console)
}

function depthOf(depth: string = '1'): number {
  if (['1', '2', '3'].includes(depth)) return Number(depth)
  throw new LabError(
    `--depth takes 1 (kills), 2 (power cuts) or 3 (a simulated disk), not ${JSON.stringify(depth)}`,
  )
}

function faultsNamed(words: string | undefined): FaultName[] {
  if (words === undefined) return [...FAULTS]
  if (words === 'none') return []
  return words.split(',').map((word) => {
    const fault = FAULTS.find((each) => each === word)
    if (fault !== undefined) return fault
    throw new LabError(`--faults takes none or some of ${FAULTS.join(', ')}, not ${JSON.stringify(word)}`)
  })
}

function modelOf(name: string = MODELS[0]): Model {
  const model = MODELS.find((each) => each === name)
  if (model === undefined)
    throw new LabError(`--model takes ${MODELS.join(', ')}, not ${JSON.stringify(name)}`)
  return model
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: OPTIONS,
      allowPositionals: true,
      strict: true,
      tokens: true,
    })
  } catch (error) {
    throw new LabError(messageOf(error))
  }
}

type Parsed = ReturnType<typeof parse>

/** The stores in their order, each with the settings behind it; settings before the first are for all of them. */
function storesOf(tokens: Parsed['tokens']): StoreWords[] {
  const common: Record<string, string> = {}
  const stores: { words: string; settings: Record<string, string> }[] = []
  for (const token of tokens) {
    if (token.kind !== 'option' || token.value === undefined) continue
    if (token.name === 'store') stores.push({ words: token.value, settings: { ...common } })
    if (token.name !== 'set') continue
    const equals = token.value.indexOf('=')
    if (equals < 1) throw new LabError(`--set takes NAME=VALUE, not ${JSON.stringify(token.value)}`)
    const settings = stores.at(-1)?.settings ?? common
    settings[token.value.slice(0, equals)] = token.value.slice(equals + 1)
  }
  return stores
}

function benchOf(
  stores: readonly StoreWords[],
  values: Parsed['values'],
  console: LabConsole,
): Promise<LabStatus> {
  const number = (name: 'records' | 'rounds' | 'seconds' | 'openings' | 'seed', least: number): number => {
    const found = numberOf(name, values[name]) ?? BENCH_DEFAULTS[name]
    if (found < least) throw new LabError(`--${name} has to be at least ${least}`)
    return found
  }
  const { distribution } = values
  const chosen = DISTRIBUTIONS.find((each) => each === distribution)
  if (distribution !== undefined && chosen === undefined) {
    throw new LabError(
      `--distribution takes ${DISTRIBUTIONS.join(', ')}, not ${JSON.stringify(distribution)}`,
    )
  }
  return bench(
    {
      stores,
      workloads: workloadsNamed(values.workload ?? ['all']),
      records: number('records', 1),
      rounds: number('rounds', 1),
      seconds: number('seconds', 1),
      actions: numberOf('operations', values.operations) ?? Number.MAX_SAFE_INTEGER,
      kills: number('openings', 1),
      seed: number('seed', 0),
      cacheBytes: (numberOf('cache', values.cache) ?? BENCH_DEFAULTS.cacheMebibytes) * MEBIBYTE,
      durable: values['not-durable'] !== true,
      distribution: chosen,
      folder: values.folder,
    },
    { json: values.json, html: values.html },
    console,
  )
}

function workloadsNamed(words: readonly string[]): ReturnType<typeof workloadsOf> {
  try {
    return workloadsOf(words.flatMap((word) => word.split(',')))
  } catch (error) {
    throw new LabError(`--workload: ${messageOf(error)}`)
  }
}

function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!/^\d{1,10}$/.test(text) || number > 0xffff_ffff) {
    throw new LabError(`--${name} takes a whole number below 2^32, not ${JSON.stringify(text)}`)
  }
  return number
}

function drawnSeed(): number {
  const bytes = Buffer.alloc(4)
  systemRandom(bytes)
  return bytes.readUInt32LE()
}
