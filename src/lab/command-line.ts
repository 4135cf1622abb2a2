/** `davenport lab`: reads the words behind it and runs one of the lab's commands. */
import { parseArgs } from 'node:util'
import { systemRandom } from '../base/random.ts'
import { check } from './commands/check.ts'
import { fuzz } from './commands/fuzz.ts'
import { fuzzStates } from './commands/fuzz-states.ts'
import { replay } from './commands/replay.ts'
import type { LabConsole, LabStatus } from './console.ts'
import { LabError, messageOf } from './lab-error.ts'
import { MODELS, type Model } from './syscalls/models.ts'
import { LAB_COMMANDS, type LabCommand, labUsage } from './usage.ts'

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  store: { type: 'string' },
  set: { type: 'string', multiple: true },
  seed: { type: 'string' },
  seconds: { type: 'string' },
  lives: { type: 'string' },
  depth: { type: 'string' },
  model: { type: 'string' },
  states: { type: 'string' },
  commits: { type: 'string' },
  first: { type: 'boolean' },
  out: { type: 'string' },
  'no-shrink': { type: 'boolean' },
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
    'out',
    'no-shrink',
  ],
  replay: [],
}

const DEFAULT_SECONDS = 60
const DEFAULT_COMMITS = 150
const DEFAULT_OUT = 'davenport-lab'

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
  for (const name of Object.keys(values)) {
    if (!TAKES[command].includes(name)) throw new LabError(`${command} takes no --${name}`)
  }
  const [path, ...more] = positionals
  if (command === 'replay') {
    if (path === undefined || more.length > 0) throw new LabError('replay takes one FILE')
    return replay(path, console)
  }
  if (path !== undefined) throw new LabError(`unexpected ${JSON.stringify(path)}`)
  const { store } = values
  if (store === undefined) throw new LabError(`${command} needs --store: davenport lab ${command} --help`)
  const settings = settingsOf(values.set ?? [])
  if (command === 'check') return check(store, settings, console)
  const seconds = numberOf('seconds', values.seconds)
  const seed = numberOf('seed', values.seed) ?? drawnSeed()
  if (isStates(values.depth)) {
    const states = numberOf('states', values.states)
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
  return fuzz(
    {
      store,
      settings,
      seed,
      lives: lives ?? Number.POSITIVE_INFINITY,
      seconds: seconds ?? (lives === undefined ? DEFAULT_SECONDS : Number.POSITIVE_INFINITY),
      shrinks: values['no-shrink'] !== true,
      out: values.out ?? DEFAULT_OUT,
    },
    console,
  )
}

/** Whether the depth is that of states. */
function isStates(depth: string | undefined): boolean {
  if (depth === undefined || depth === '1') return false
  if (depth === '2') return true
  throw new LabError(`--depth takes 1 (kills) or 2 (power cuts), not ${JSON.stringify(depth)}`)
}

function modelOf(name: string = MODELS[0]): Model {
  const model = MODELS.find((each) => each === name)
  if (model === undefined)
    throw new LabError(`--model takes ${MODELS.join(', ')}, not ${JSON.stringify(name)}`)
  return model
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
