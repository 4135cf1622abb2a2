/**
 * Runs the tests: `npm test [-- PART ...]`, `npm run test:long`. Each file is a program of its own (its output is
 * TAP); four run at a time, since most wait most of the time, and a line is printed when one ends. One that fails is named at once, with what it said.
 * With PARTs only the files whose path contains one of them are run.
 *
 * Tests that cost the most are for `test:long`. Some of them run in `npm test` too, over fewer cases: see `isLong` in
 * support/test-run.ts.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'

/** Run by `test:long` alone; the ones that take the longest first. */
const LONG_ONLY = [
  'package',
  'system/kill',
  'system/scan-memory',
  'system/hostile-requests',
  'system/many-databases',
  'system/compaction-load',
  'system/readme',
  'bench/btree',
  'fuzz/run',
  'lab/toys',
  'native-free-btree/space',
]
/** Run by both, over more cases by `test:long`. */
const LONGER = [
  'native-free-btree/crash',
  'native-free-btree/lock',
  'native-free-btree/tree-property',
  'native-free-btree/corruption',
  'database/model',
  'native-free-btree/budget',
]

const JOBS = 4
/** What a test has until it fails by itself; generous, since a machine may be busy with other things. */
const TEST_TIMEOUT_SECONDS = { short: 300, long: 1200 }
/** A file that has not ended so long after that is killed. */
const GRACE_SECONDS = 60
/** Lines of a failing file's output that are shown, the last ones. */
const SHOWN_LINES = 300

const ROOT = fileURLToPath(new URL('.', import.meta.url))

interface Outcome {
  readonly name: string
  readonly failed: boolean
  readonly seconds: number
  readonly output: string
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** The test files, by their paths below test/ without `.test.js`. */
function testFiles(): string[] {
  return readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => name.replaceAll('\\', '/').slice(0, -'.test.js'.length))
    .sort()
}

function chosen(parts: readonly string[], isLong: boolean): string[] {
  const files = testFiles()
  const unknown = [...LONG_ONLY, ...LONGER].filter((name) => !files.includes(name))
  if (unknown.length > 0)
    throw new Error(`test/main.ts names tests that are not there: ${unknown.join(', ')}`)
  if (parts.length > 0)
    return files.filter((name) => parts.some((part) => `test/${name}.test.ts`.includes(part)))
  if (isLong) return [...LONG_ONLY, ...LONGER]
  return files.filter((name) => !LONG_ONLY.includes(name))
}

function run(name: string, isLong: boolean): Promise<Outcome> {
  const started = performance.now()
  const seconds = isLong ? TEST_TIMEOUT_SECONDS.long : TEST_TIMEOUT_SECONDS.short
  const file = join(ROOT, `${name}.test.js`)
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, TAP_TIMEOUT: String(seconds), ...(isLong && { DAVENPORT_LONG: '1' }) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const timer = setTimeout(
    () => {
      output += `killed: it had not ended after ${seconds + GRACE_SECONDS} s\n`
      child.kill('SIGKILL')
    },
    (seconds + GRACE_SECONDS) * 1000,
  )
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status, signal) => {
      clearTimeout(timer)
      if (signal !== null) output += `ended by ${signal}\n`
      resolve({ name, failed: status !== 0, seconds: (performance.now() - started) / 1000, output })
    })
  })
}

/**
 * Positions in compiled files become those in the sources. Node does so by itself with --enable-source-maps, but reads
 * the maps of all modules then, as soon as each is loaded, which every file that passes would pay for, too.
 */
function inSources(output: string): string {
  const maps = new Map<string, SourceMap | null>()
  const mapOf = (file: string): SourceMap | null => {
    let map = maps.get(file)
    if (map === undefined) {
      try {
        map = new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
      } catch {
        map = null
      }
      maps.set(file, map)
    }
    return map
  }
  return output.replace(
    /(?:file:\/\/)?([/\w.@-]+\.js):(\d+):(\d+)/g,
    (whole, name: string, line: string, column: string) => {
      const file = resolve(name)
      const entry = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1)
      if (entry === undefined || !('originalSource' in entry)) return whole
      const source = relative('.', resolve(dirname(file), entry.originalSource))
      return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
    },
  )
}

/** What a failing file said, without the tests that passed. */
function complaint(output: string): string {
  const lines = inSources(output)
    .split('\n')
    .filter((line) => !/^\s*(?:ok \d|# Subtest|# time=|1\.\.\d|\s*$)/.test(line))
  return lines.slice(-SHOWN_LINES).join('\n')
}

async function main(args: readonly string[]): Promise<boolean> {
  const isLong = args.includes('--long')
  const waiting = chosen(
    args.filter((arg) => arg !== '--long'),
    isLong,
  )
  const failed: string[] = []
  let passed = 0
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const outcome = await run(name, isLong)
      const verdict = outcome.failed ? 'FAILED' : 'ok'
      print(`${verdict.padEnd(6)} ${outcome.seconds.toFixed(1).padStart(6)} s  test/${name}.test.ts`)
      if (outcome.failed) {
        print(complaint(outcome.output))
        failed.push(name)
      } else {
        passed += 1
      }
    }
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: JOBS }, work))
  for (const name of failed) print(`FAILED test/${name}.test.ts`)
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  print(`${passed} files passed, ${failed.length} failed, in ${seconds} s`)
  return failed.length === 0 && passed > 0
}

process.exitCode = (await main(process.argv.slice(2))) ? 0 : 1
