/**
 * Requests per second, latency and CPU per request, beside a fastify that answers constants of the same length, for single writes
 * beside a bare server that writes and syncs what it is sent, and beside other servers that speak CouchDB's protocol.
 *
 * The load comes from another process: wrk where it is installed, else autocannon. The servers take turns, so that
 * a machine that gets slower meanwhile is unfair to none; figures are medians of the rounds. `--profile` lets
 * davenport run under `--cpu-prof` and leaves the .cpuprofile in the working directory (for one workload: with
 * `--only`). `--threads 0,1,2` measures one server for each number of threads that take requests. CPU is that of the server's
 * whole process (Linux only, and not of peers), and of its main thread, which is the one that writes where others take the
 * requests: the reciprocal of that is what more cores lead to. Peers get three databases, which are deleted at the end. `--stored` says
 * how many documents each database has before the first round; those that are asked for lie scattered. Documents of `_bulk_docs` have no
 * ids: the server makes them.
 */
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.ts'
import { describeMachine, machineOf } from '../src/lab/measure/machine.ts'
import { Progress } from '../src/lab/measure/progress.ts'
import { median } from '../src/lab/measure/statistics.ts'
import { alignedTable } from '../src/lab/measure/text-table.ts'
import { chosenTool, type LoadTool } from './http/load.ts'
import { oneRound, type Round } from './http/round.ts'
import {
  answerLengths,
  type Databases,
  databaseOf,
  peerTarget,
  prepare,
  removeDatabases,
  startConstant,
  startDurableEcho,
  startOurs,
  type Target,
  threadCounts,
} from './http/target.ts'
import { type Load, MOST_ASKED_FOR, STORED_DOCUMENTS, type Workload, workloadsOf } from './http/workload.ts'
import { writeResults } from './results-file.ts'
import { type Benchmark, withFolder } from './tools.ts'

/** Before the first round, for the compilers of the servers. */
const WARM_UP_SECONDS = 4

interface Figures {
  workload: string
  target: string
  documents: number
  requestsPerSecond: number
  /** Of the constant's requests per second. */
  ratio: number | undefined
  /** Of the durable echo's. */
  echoRatio: number | undefined
  p50Us: number
  p99Us: number
  cpuUsPerRequest: number
  mainCpuUsPerRequest: number
  rounds: Round[]
}

export const http: Benchmark = {
  summary: 'requests beside a constant and other servers: rate, latency, CPU',
  flags:
    '[--rounds 3] [--seconds 5] [--only get-64 ...] [--threads 0,1,2] [--stored 1000] [--peer NAME=http://user:pass@host:port ...] [--wrk | --autocannon] [--profile] [--folder PATH] [--out FILE]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        rounds: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '5' },
        only: { type: 'string', multiple: true, default: [] },
        threads: { type: 'string' },
        stored: { type: 'string', default: String(STORED_DOCUMENTS) },
        peer: { type: 'string', multiple: true, default: [] },
        wrk: { type: 'boolean', default: false },
        autocannon: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
        folder: { type: 'string' },
        out: { type: 'string' },
      },
    })
    const stored = Number(values.stored)
    const workloads = chosen(values.only, workloadsOf(stored))
    const peers = values.peer.map(peerTarget)
    const { name: tool, load } = chosenTool(values.wrk, values.autocannon)
    const rounds = Number(values.rounds)
    const seconds = Number(values.seconds)
    const at = new Date(systemClock.now())
    const machine = machineOf(values.folder ?? tmpdir())
    print(describeMachine(machine))
    print(`${rounds} rounds of ${seconds} s by ${tool}`)
    await withFolder(values.folder, async (dataDir) => {
      const figures = await measured(dataDir, {
        workloads,
        stored,
        threads: threadCounts(values.threads),
        peers,
        load,
        rounds,
        seconds,
        profile: values.profile,
      })
      for (const line of tableOf(figures)) print(line)
      const path = writeResults('http', at, values.out, { machine, tool, rounds, seconds, stored, figures })
      if (path !== undefined) print(path)
    })
  },
}

function chosen(names: readonly string[], all: readonly Workload[]): readonly Workload[] {
  for (const name of names) {
    if (all.some((workload) => workload.name === name)) continue
    throw new RangeError(`no workload ${name}; there are ${all.map((workload) => workload.name).join(', ')}`)
  }
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

interface Plan {
  workloads: readonly Workload[]
  /** Documents of each database. */
  stored: number
  /** Of each server that is measured; undefined: as it is by default. */
  threads: readonly (string | undefined)[]
  peers: readonly Target[]
  load: LoadTool
  rounds: number
  seconds: number
  profile: boolean
}

async function measured(dataDir: string, plan: Plan): Promise<Figures[]> {
  const run = randomBytes(4).toString('hex')
  const databases = { stored: `bench-${run}`, open: `bench-${run}-open`, written: `bench-${run}-new` }
  const started: Target[] = []
  const prepared: Target[] = []
  try {
    for (const threads of plan.threads) {
      const folder = join(dataDir, threads ?? 'default')
      started.push(await startOurs(folder, threads, plan.profile ? process.cwd() : undefined))
    }
    const ours = [...started]
    for (const target of [...ours, ...plan.peers]) {
      prepared.push(target)
      await prepare(target, databases, plan.stored)
    }
    const constant = await startConstant(await answerLengths(ours[0]!, databases, plan.workloads))
    started.push(constant)
    const echo = await startDurableEcho(join(dataDir, 'echo'))
    started.push(echo)
    return await takeTurns([...ours, constant, echo, ...plan.peers], databases, plan)
  } finally {
    for (const target of prepared) await removeDatabases(target, databases).catch(() => undefined)
    for (const target of started) await target.stop()
  }
}

async function takeTurns(all: readonly Target[], databases: Databases, plan: Plan): Promise<Figures[]> {
  const { workloads, rounds, seconds, stored } = plan
  const progress = new Progress(workloads.length * all.length * (rounds + 1))
  let done = 0
  const figures: Figures[] = []
  for (const workload of workloads) {
    const targets = all.filter(({ only }) => only?.includes(workload.name) ?? true)
    const found = new Map(targets.map((target) => [target, [] as Round[]]))
    for (let round = 0; round <= rounds; round++) {
      for (const target of targets) {
        progress.begin(`${workload.name}, ${target.name}`)
        const load = loadOf(workload, target, databases, done, stored)
        const taken = await oneRound(target, load, plan.load, round === 0 ? WARM_UP_SECONDS : seconds)
        if (round > 0) found.get(target)!.push(taken)
        done += 1
        progress.end()
      }
    }
    const rate = (target: Target): number => median(found.get(target)!.map((each) => each.requestsPerSecond))
    const rateOf = (name: string): number | undefined => {
      const reference = targets.find((target) => target.name === name)
      return reference && rate(reference)
    }
    const references = { constant: rateOf('constant'), echo: rateOf('durable echo') }
    for (const target of targets) figures.push(figuresOf(workload, target, found.get(target)!, references))
  }
  progress.close()
  return figures
}

function loadOf(
  workload: Workload,
  target: Target,
  databases: Databases,
  measurement: number,
  stored: number,
): Load {
  const { method, body, connections, fresh } = workload
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (!workload.anonymous && target.authorization !== undefined)
    headers['authorization'] = target.authorization
  return {
    method,
    body,
    connections,
    headers,
    path: `/${databaseOf(databases, workload)}/${workload.path}${fresh ? `-${measurement}` : ''}`,
    numbers: fresh
      ? { kind: 'fresh' }
      : { kind: 'cycle', count: Math.min(stored, MOST_ASKED_FOR), of: stored },
  }
}

function figuresOf(
  workload: Workload,
  target: Target,
  rounds: Round[],
  references: { constant: number | undefined; echo: number | undefined },
): Figures {
  const middle = (field: (round: Round) => number): number => median(rounds.map(field))
  const requestsPerSecond = middle((round) => round.requestsPerSecond)
  return {
    workload: workload.name,
    target: target.name,
    documents: workload.documents,
    requestsPerSecond,
    ratio: references.constant && requestsPerSecond / references.constant,
    echoRatio: references.echo && requestsPerSecond / references.echo,
    p50Us: middle((round) => round.p50Us),
    p99Us: middle((round) => round.p99Us),
    cpuUsPerRequest: middle((round) => round.cpuUsPerRequest),
    mainCpuUsPerRequest: middle((round) => round.mainCpuUsPerRequest),
    rounds,
  }
}

function tableOf(figures: readonly Figures[]): string[] {
  const head = [
    'workload',
    'server',
    'requests/s',
    'x constant',
    'x echo',
    'p50 ms',
    'p99 ms',
    'CPU us/request',
    'us/document',
    'main thread us',
  ]
  const rows = figures.map((each) => {
    const { cpuUsPerRequest: cpu, mainCpuUsPerRequest: main } = each
    return [
      each.workload,
      each.target,
      each.requestsPerSecond.toFixed(each.requestsPerSecond < 100 ? 1 : 0),
      each.ratio?.toFixed(2) ?? '',
      each.echoRatio?.toFixed(2) ?? '',
      (each.p50Us / 1000).toFixed(2),
      (each.p99Us / 1000).toFixed(2),
      Number.isNaN(cpu) ? '-' : cpu.toFixed(1),
      Number.isNaN(cpu) || each.documents === 1 ? '' : (cpu / each.documents).toFixed(2),
      Number.isNaN(main) ? '-' : main.toFixed(1),
    ]
  })
  return alignedTable([head, ...rows])
}
