/**
 * `npm run bench -- NAME [--flag value ...]` runs one benchmark; without a name it lists them. Each is a file
 * of this folder with its purpose and flags at its top, and registers here.
 */
import { attachmentMemory } from './attachment-memory.ts'
import { btree } from './btree.ts'
import { compaction } from './compaction.ts'
import { growth } from './growth.ts'
import { http } from './http.ts'
import { idleFeeds } from './idle-feeds.ts'
import { manyDatabases } from './many-databases.ts'
import { scanMemory } from './scan-memory.ts'
import type { Benchmark } from './tools.ts'

const BENCHMARKS: Record<string, Benchmark> = {
  'attachment-memory': attachmentMemory,
  compaction,
  'idle-feeds': idleFeeds,
  btree,
  growth,
  http,
  'many-databases': manyDatabases,
  'scan-memory': scanMemory,
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

const [name, ...args] = process.argv.slice(2)
const chosen = name !== undefined && Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined
if (chosen !== undefined) {
  await chosen.run(args, print)
} else {
  for (const [known, { summary }] of Object.entries(BENCHMARKS)) print(`${known.padEnd(16)} ${summary}`)
  if (name !== undefined) {
    process.stderr.write(`there is no benchmark ${name}\n`)
    process.exitCode = 1
  }
}
