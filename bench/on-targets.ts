/**
 * Measurements on our server and on others that speak CouchDB's protocol: what such benchmarks have in common. The load comes
 * from another process, as that of `http`. CPU is that of the server's whole process (Linux only, and not of peers). Indexes are
 * not built unasked.
 */
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { describeMachine, machineOf } from '../src/lab/measure/machine.ts'
import { processCpuUs } from '../src/lab/measure/process-cpu.ts'
import { autocannonLoad, driverApart, findWrk, type LoadTool, wrkLoad } from './http/load.ts'
import { peerTarget, startOurs, type Target } from './http/target.ts'
import type { Load, Measured } from './http/workload.ts'
import { type Benchmark, stopwatch, withFolder } from './tools.ts'

/** Documents that are written at once. */
export const BATCH = 1000
export const KINDS = 100
const BYTES = 1024
/**
 * Of one round before what is measured. What a request runs is compiled as such requests come: a GET is as fast as it gets after a
 * second, a `_find` of 20 documents after some thousands. So rounds follow until two in a row were no faster than the best.
 */
const WARM_UP_SECONDS = 2
const MOST_WARM_UPS = 10
/** A round is faster when its rate is as much higher. */
const LEAST_GAIN = 1.05
const WORDS = 'the quick brown fox jumps over the lazy dog '

export interface Figure {
  /** In a second: documents, rows, or requests. */
  readonly rate: number
  /** Of one of them; NaN where it is not known. */
  readonly cpuUs: number
  readonly p99Us?: number
}

export interface Measurement {
  readonly name: string
  take(): Promise<Figure>
}

export interface Settings {
  readonly documents: number
  readonly rounds: number
  readonly seconds: number
  readonly connections: number
  readonly load: LoadTool
  /** Measurements whose names have it are taken. */
  readonly only: string
}

/** `measured` gives the lines of one target. */
export function benchmarkOnTargets(
  summary: string,
  measured: (target: Target, settings: Settings) => Promise<string[]>,
): Benchmark {
  return {
    summary,
    flags:
      '[--documents 100000] [--rounds 3] [--seconds 5] [--connections 64] [--threads N] [--peer NAME=http://user:pass@host:port ...] [--only TEXT] [--driver-apart] [--profile] [--folder PATH]',
    async run(args, print) {
      const { values } = parseArgs({
        args,
        options: {
          documents: { type: 'string', default: '100000' },
          rounds: { type: 'string', default: '3' },
          seconds: { type: 'string', default: '5' },
          connections: { type: 'string', default: '64' },
          threads: { type: 'string' },
          peer: { type: 'string', multiple: true, default: [] },
          only: { type: 'string', default: '' },
          'driver-apart': { type: 'boolean', default: false },
          profile: { type: 'boolean', default: false },
          folder: { type: 'string' },
        },
      })
      const wrk = findWrk()
      const isApart = values['driver-apart']
      if (isApart && wrk === undefined) throw new Error('--driver-apart needs wrk')
      const settings: Settings = {
        documents: Number(values.documents),
        rounds: Number(values.rounds),
        seconds: Number(values.seconds),
        connections: Number(values.connections),
        load: wrk === undefined ? autocannonLoad : wrkLoad(wrk, isApart ? driverApart() : []),
        only: values.only,
      }
      print(describeMachine(machineOf(values.folder ?? tmpdir())))
      await withFolder(values.folder, async (dataDir) => {
        const unasked = { DAVENPORT_INDEXERS__COUCH_MRVIEW: 'false' }
        const folder = values.profile ? process.cwd() : undefined
        const ours = await startOurs(dataDir, values.threads, folder, unasked)
        try {
          for (const target of [ours, ...values.peer.map(peerTarget)]) {
            for (const line of await measured(target, settings)) print(line)
          }
        } finally {
          await ours.stop()
        }
      })
    },
  }
}

/** NaN where it is not known. */
function cpuUsOf({ pid }: Target): number {
  return pid === undefined ? Number.NaN : processCpuUs(pid)
}

/** Of `count` things that one request does. */
export async function once(target: Target, count: number, request: () => Promise<unknown>): Promise<Figure> {
  const before = cpuUsOf(target)
  const elapsed = stopwatch()
  await request()
  return { rate: count / elapsed(), cpuUs: (cpuUsOf(target) - before) / count }
}

/** `{n}` in the path and the body is one of the first documents' numbers. Rejects where a request fails. */
export async function loaded(
  target: Target,
  { documents, connections, load, seconds }: Settings,
  asked: Pick<Load, 'method' | 'path' | 'body' | 'headers'>,
  warmsUp = true,
): Promise<Figure> {
  const { authorization, origin, name } = target
  const headers = { ...asked.headers, ...(authorization !== undefined && { authorization }) }
  const numbers = { kind: 'cycle', count: Math.min(documents, 10_000) } as const
  const whole: Load = { ...asked, headers, connections, numbers }
  if (warmsUp) await warmUp(() => load(origin, whole, WARM_UP_SECONDS))
  const before = cpuUsOf(target)
  const { requests, seconds: took, errors, p99Us } = await load(origin, whole, seconds)
  if (errors > 0) throw new Error(`${name}: ${errors} errors at ${asked.method} ${asked.path}`)
  return { rate: requests / took, cpuUs: (cpuUsOf(target) - before) / requests, p99Us }
}

async function warmUp(round: () => Promise<Measured>): Promise<void> {
  let best = 0
  let slower = 0
  for (let rounds = 0; rounds < MOST_WARM_UPS && slower < 2; rounds++) {
    const { requests, seconds } = await round()
    const rate = requests / seconds
    slower = rate > best * LEAST_GAIN ? 0 : slower + 1
    best = Math.max(best, rate)
  }
}

/** One of `KINDS` kinds, of `BYTES` bytes. `more`: members that it has besides. */
export function documentOf(number: number, more: Record<string, unknown> = {}): Record<string, unknown> {
  const document = {
    _id: String(number),
    kind: `kind ${number % KINDS}`,
    ...more,
    number,
    title: `The title of document ${number}`,
    tags: ['one', 'two', 'three'],
    address: { street: `Street ${number}`, city: 'Cologne', code: 50667 },
    price: (number % 1000) / 4,
    note: '',
  }
  const missing = BYTES - JSON.stringify(document).length
  return { ...document, note: WORDS.repeat(missing).slice(0, missing) }
}
