/**
 * `npm run bench -- NAME [--flag value ...]` runs one benchmark; without a name it lists them. Each is a file
 * of this folder with its purpose at its top, and registers here.
 */
import { attachmentMemory } from './attachment-memory.ts'
import { btree } from './btree.ts'
import { compaction } from './compaction.ts'
import { compression } from './compression.ts'
import { connections } from './connections.ts'
import { dashboard } from './dashboard.ts'
import { documents } from './documents.ts'
import { gateway } from './gateway.ts'
import { growth } from './growth.ts'
import { hostile } from './hostile.ts'
import { http } from './http.ts'
import { idleFeeds } from './idle-feeds.ts'
import { mango } from './mango.ts'
import { manyDatabases } from './many-databases.ts'
import { plots } from './plots.ts'
import { replicate } from './replicate.ts'
import { scanMemory } from './scan-memory.ts'
import { scripting } from './scripting.ts'
import { strangers } from './strangers.ts'
import { threadMemory } from './thread-memory.ts'
import type { Benchmark } from './tools.ts'
import { views } from './views.ts'

const BENCHMARKS: Record<string, Benchmark> = {
  'attachment-memory': attachmentMemory,
  compaction,
  compression,
  connections,
  dashboard,
  'idle-feeds': idleFeeds,
  btree,
  documents,
  gateway,
  growth,
  hostile,
  http,
  mango,
  'many-databases': manyDatabases,
  plots,
  replicate,
  'scan-memory': scanMemory,
  scripting,
  'thread-memory': threadMemory,
  strangers,
  views,
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

function isHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h'
}

function list(): void {
  print('Usage: npm run bench -- NAME [options]; NAME --help shows the options. NAME is one of')
  for (const [name, { summary }] of Object.entries(BENCHMARKS)) print(`  ${name.padEnd(18)} ${summary}`)
}

/** An argument that a benchmark does not take, as opposed to a failure of the run. */
function isWrongArgument(error: unknown): error is Error {
  if (error instanceof RangeError) return true
  return error instanceof TypeError && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS')
}

/** Resolves with the exit status: 2 for a wrong command line. */
async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || isHelp(name) || name === 'help') {
    list()
    return 0
  }
  const chosen = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined
  if (chosen === undefined) {
    process.stderr.write(`there is no benchmark ${name}; npm run bench lists them\n`)
    return 2
  }
  const usage = `Usage: npm run bench -- ${name} ${chosen.flags}`
  if (args.some(isHelp)) {
    print(`${usage}\n\n${chosen.summary}; the defaults are shown`)
    return 0
  }
  try {
    await chosen.run(args, print)
    return 0
  } catch (error) {
    if (!isWrongArgument(error)) throw error
    process.stderr.write(`${error.message}\n${usage}\n`)
    return 2
  }
}

process.exitCode = await main(process.argv.slice(2))
