/**
 * Records the system calls of real servers on one data folder: several processes one after another, ended by a good
 * stop or by SIGKILL. A kill waits until nothing is under way, so that no call is cut in two: what a kill in the
 * middle of the load does is the target `kill`. After each process what the calls come to is compared with the
 * folder as it is, byte for byte: the model has missed nothing.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type CallPlayer, TRACED_CALLS } from '../../src/lab/syscalls/call-player.ts'
import { findStrace } from '../../src/lab/syscalls/find-strace.ts'
import { readTrace } from '../../src/lab/syscalls/strace.ts'
import type { Random } from '../../test/support/random.ts'
import { startServerProcess } from '../../test/support/server-process.ts'
import { RecordedLoad } from './recorded-load.ts'
import { RecordedRequests } from './recorded-requests.ts'
import { serverPlayer, TracedRequests } from './traced-requests.ts'

/** A store that was not written to for a second writes a superblock; a kill waits past that, and until nothing is written. */
const IDLE_MS = 1500
const ROUNDS = 40
const LONGEST_STRING = 100_000_000
/** Small, for many checkpoints. io_uring would pass by the tracer. */
const ENVIRONMENT = { DAVENPORT_DAVENPORT__CACHE_BYTES: String(1024 * 1024), UV_USE_IO_URING: '0' }

export interface Recording {
  readonly dataDir: string
  /** What strace wrote about each process. */
  readonly traces: readonly string[]
  readonly requests: RecordedRequests
  /** Moments over all of it. */
  readonly moments: number
}

/** Records three servers in `folder`: the first and the last are stopped, the second is killed. */
export async function record(folder: string, random: Random): Promise<Recording> {
  const strace = findStrace()
  const dataDir = join(folder, 'data')
  const requests = new RecordedRequests()
  const load = new RecordedLoad(requests, random)
  const player = serverPlayer(dataDir, new TracedRequests())
  const traces: string[] = []
  let moments = 0
  for (const ending of ['stop', 'kill', 'stop']) {
    const trace = join(folder, `trace-${traces.length + 1}.strace`)
    const options = ['-D', '-f', '-q', '--seccomp-bpf', '-xx', '-s', String(LONGEST_STRING), '-o', trace]
    const under = [strace, ...options, '-e', `trace=${TRACED_CALLS.join(',')}`]
    const server = startServerProcess({ dataDir, environment: ENVIRONMENT, under })
    try {
      await load.run(await server.port, ROUNDS)
      if (ending === 'stop') await server.stop()
      else await untilIdle(trace)
    } finally {
      await server.kill()
    }
    traces.push(trace)
    for (const _ of player.play(await readTrace(trace))) moments += 1
    await assertSame(player, dataDir)
  }
  return { dataDir, traces, requests, moments }
}

/** Whoever is killed in the middle of a call leaves a trace that does not tell whether it was done. */
async function untilIdle(trace: string): Promise<void> {
  for (let before = ''; ; ) {
    await delay(IDLE_MS)
    const text = await readFile(trace, 'latin1')
    if (text === before && text.split('<unfinished').length === text.split(' resumed>').length) return
    before = text
  }
}

/** Compares what the trace made with what is there. */
async function assertSame(player: CallPlayer, dataDir: string): Promise<void> {
  const made = player.tree.visibleFiles()
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile()) continue
    const file = made.get(path)
    if (file === undefined) throw new Error(`the trace does not make ${path}`)
    made.delete(path)
    const { visible } = file.inode
    if (!(await readFile(path)).equals(visible.slice(0, visible.length))) {
      throw new Error(`the trace makes another ${path}`)
    }
  }
  if (made.size > 0) throw new Error(`the trace makes files that are not there: ${[...made.keys()]}`)
}
