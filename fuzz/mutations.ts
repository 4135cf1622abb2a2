/**
 * Breaks the engine on purpose, one rule at a time, in a copy of the compiled program, and lets the fuzzer look for
 * it there. A mutant that survives is a rule that nothing checks, or that nothing needs.
 */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../src/base/clock.ts'
import { MUTANTS, type Mutant } from './mutants.ts'
import { type RunOptions, UsageError } from './options.ts'
import { print, printTotals } from './report.ts'

const DEFAULT_SECONDS = 60
/** For a mutant that never yields: its run has this much longer than it was given. */
const GRACE_MS = 60_000

/** The folder of the compiled program: dist/. */
export const COMPILED = dirname(dirname(fileURLToPath(import.meta.url)))

/** A file's text with the mutant in it. Throws when the place is not there exactly once. */
export function mutated(text: string, { name, file, find, replace }: Mutant): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`${name}: its place occurs ${parts.length - 1} times in ${file}`)
  return parts.join(replace)
}

/** True when every mutant was found, but for those whose rule another one backs. */
export async function runMutations(options: RunOptions): Promise<boolean> {
  const mutants = MUTANTS.filter(({ name }) => options.target === undefined || name === options.target)
  if (mutants.length === 0) throw new UsageError(`there is no mutation '${options.target}'`)
  const seconds = options.seconds === Number.POSITIVE_INFINITY ? DEFAULT_SECONDS : options.seconds
  const folder = copyProgram()
  let passed = 0
  print(`seed ${options.seed}, at most ${seconds} s each`)
  try {
    for (const mutant of mutants) {
      const outcome = await hunt(mutant, folder, options.seed, seconds)
      if (outcome.found || mutant.backedBy !== undefined) passed += 1
      const verdict = outcome.found ? `found in ${outcome.seconds.toFixed(1)} s` : 'SURVIVED'
      const how =
        outcome.found || mutant.backedBy === undefined ? outcome.how : `backed by ${mutant.backedBy}`
      print(`${mutant.name.padEnd(30)}${mutant.target.padEnd(12)}${verdict.padEnd(18)}${how}`)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  printTotals(passed, mutants.length - passed)
  return passed === mutants.length
}

/** A copy that runs on its own, beside the packages of this one. */
function copyProgram(): string {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-mutants-'))
  const root = rootOf(COMPILED)
  cpSync(COMPILED, join(folder, 'dist'), {
    recursive: true,
    filter: (path) => !path.endsWith('.map') && !path.endsWith('.d.ts') && !path.endsWith('.test.js'),
  })
  cpSync(join(root, 'package.json'), join(folder, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'), 'junction')
  return folder
}

function rootOf(folder: string): string {
  return existsSync(join(folder, 'package.json')) ? folder : rootOf(dirname(folder))
}

interface Outcome {
  readonly found: boolean
  readonly seconds: number
  /** The first line of what was found. */
  readonly how: string
}

async function hunt(mutant: Mutant, folder: string, seed: number, seconds: number): Promise<Outcome> {
  const path = join(folder, 'dist', mutant.file)
  const original = readFileSync(path, 'utf8')
  writeFileSync(path, mutated(original, mutant))
  const startMs = systemClock.now()
  try {
    const args = [
      '--target',
      mutant.target,
      '--seed',
      String(seed),
      '--seconds',
      String(seconds),
      '--no-shrink',
    ]
    const { code, output } = await runProgram(
      join(folder, 'dist/fuzz/main.js'),
      args,
      seconds * 1000 + GRACE_MS,
    )
    const failure = /^FAILED: .*, at event .*\n\s*(.*)/m.exec(output)?.[1]
    // A program that does not even start has found nothing.
    if (failure === undefined && !/^\d+ passed, \d+ failed$/m.test(output) && code !== null) {
      throw new Error(`${mutant.name}: the program does not run with it`)
    }
    const how = failure ?? (code === null ? 'it never came back' : '')
    return { found: how !== '', seconds: (systemClock.now() - startMs) / 1000, how: how.slice(0, 110) }
  } finally {
    writeFileSync(path, original)
  }
}

function runProgram(
  program: string,
  args: readonly string[],
  limitMs: number,
): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // The files that a failure leaves go with the copy.
    env: { ...process.env, TMPDIR: dirname(program) },
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, output })
    })
  })
}
