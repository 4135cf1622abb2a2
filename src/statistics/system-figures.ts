/**
 * What is known of the process at one moment, and `_system`, which tells it by the names that CouchDB has for Erlang's. What
 * Node has no counterpart of is 0.
 */
import { readdir, readFile } from 'node:fs/promises'
import type { ThreadFigures } from '../base/thread-figures.ts'

export interface SystemFigures {
  readonly uptimeSeconds: number
  /** Bytes by use. */
  readonly memory: Readonly<Record<string, number>>
  readonly cacheBytes: number
  readonly cachePages: number
  readonly contextSwitches: number
  /** Bytes that were read from files and sockets, and written to them. */
  readonly inputBytes: number
  readonly outputBytes: number
  readonly threads: number
  readonly mostThreads: number
  /** Length of each queue. */
  readonly queues: Readonly<Record<string, number>>
}

export interface Moment {
  uptimeSeconds: number
  threads: readonly ThreadFigures[]
  /** Passwords that wait or are being hashed, compactions that run. */
  hashing: number
  compacting: number
}

export async function systemFigures(moment: Moment): Promise<SystemFigures> {
  const sum = (of: (thread: ThreadFigures) => number): number =>
    moment.threads.reduce((total, thread) => total + of(thread), 0)
  const [io, status, limits] = await Promise.all(['io', 'status', 'limits'].map(readProcess))
  const { voluntaryContextSwitches, involuntaryContextSwitches } = process.resourceUsage()
  const threads = numberIn(status!, /^Threads:\s*(\d+)/m)
  return {
    uptimeSeconds: moment.uptimeSeconds,
    memory: memoryOf(sum),
    cacheBytes: sum((thread) => thread.cacheBytes),
    cachePages: sum((thread) => thread.cachePages),
    contextSwitches: voluntaryContextSwitches + involuntaryContextSwitches,
    inputBytes: numberIn(io!, /^rchar: (\d+)/m) ?? 0,
    outputBytes: numberIn(io!, /^wchar: (\d+)/m) ?? 0,
    threads: threads ?? moment.threads.length,
    mostThreads: numberIn(limits!, /^Max processes\s+(\d+)/m) ?? 0,
    queues: {
      core: sum((thread) => thread.waitingCalls),
      password_hashing: moment.hashing,
      compactions: moment.compacting,
    },
  }
}

/** CouchDB's names: heaps for processes, buffers for binaries, the cache of pages, which is in buffers, for tables. */
function memoryOf(sum: (of: (thread: ThreadFigures) => number) => number): Record<string, number> {
  const processes = sum((thread) => thread.heapBytes)
  const binary = sum((thread) => thread.bufferBytes)
  const rest = process.memoryUsage.rss() - processes - binary
  return {
    other: Math.max(0, rest),
    atom: 0,
    atom_used: 0,
    processes,
    processes_used: sum((thread) => thread.usedBytes),
    binary,
    code: sum((thread) => thread.codeBytes),
    ets: sum((thread) => thread.cacheBytes),
  }
}

export function systemAnswer(system: SystemFigures): Record<string, unknown> {
  const { queues } = system
  return {
    uptime: system.uptimeSeconds,
    memory: system.memory,
    run_queue: queues['core'],
    run_queue_dirty_cpu: queues['password_hashing'],
    ets_table_count: 0,
    bt_engine_cache: { memory: system.cacheBytes, size: system.cachePages },
    context_switches: system.contextSwitches,
    reductions: 0,
    garbage_collection_count: 0,
    words_reclaimed: 0,
    io_input: system.inputBytes,
    io_output: system.outputBytes,
    os_proc_count: 0,
    stale_proc_count: 0,
    process_count: system.threads,
    process_limit: system.mostThreads,
    message_queues: queues,
    internal_replication_jobs: 0,
    distribution: {},
    distribution_events: {},
  }
}

/** Files that the process has open; undefined where the system does not tell. */
export async function openFiles(): Promise<number | undefined> {
  try {
    return (await readdir('/proc/self/fd')).length
  } catch {
    return undefined
  }
}

/** What Linux tells of the process; empty elsewhere. */
async function readProcess(name: string): Promise<string> {
  try {
    return await readFile(`/proc/self/${name}`, 'utf8')
  } catch {
    return ''
  }
}

function numberIn(text: string, pattern: RegExp): number | undefined {
  const found = pattern.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}
