/** Workloads of design functions at servers, in turns. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Progress } from '../../src/lab/measure/progress.ts'
import { median } from '../../src/lab/measure/statistics.ts'
import { alignedTable } from '../../src/lab/measure/text-table.ts'
import type { SandboxKind } from '../../src/scripting/scripting.ts'
import type { LoadTool } from '../http/load.ts'
import { oneRound, type Round } from '../http/round.ts'
import { ask, startOurs, type Target } from '../http/target.ts'
import type { Load } from '../http/workload.ts'
import { withFolder } from '../tools.ts'
import {
  CHANGES,
  type DatabaseKind,
  DESIGNS,
  type FunctionWorkload,
  GROUPS,
  storedDocument,
} from './workloads.ts'

export interface ServersPlan {
  groups: readonly string[]
  /** Of each server of ours; undefined: as it is by default. */
  threads: readonly (string | undefined)[]
  sandbox: SandboxKind
  peers: readonly Target[]
  load: LoadTool
  rounds: number
  seconds: number
  profile: boolean
  folder: string | undefined
}

const WARM_UP_SECONDS = 3
const BULK = 500
const KINDS = Object.keys(DESIGNS) as DatabaseKind[]

export async function measureServers(plan: ServersPlan, print: (line: string) => void): Promise<void> {
  await withFolder(plan.folder, async (dataDir) => {
    const run = `bench-${randomBytes(4).toString('hex')}`
    const ours: Target[] = []
    const prepared: Target[] = []
    try {
      for (const threads of plan.threads) {
        const folder = join(dataDir, threads ?? 'default')
        const environment = { DAVENPORT_DAVENPORT__SANDBOX: plan.sandbox }
        ours.push(await startOurs(folder, threads, plan.profile ? process.cwd() : undefined, environment))
      }
      for (const target of [...ours, ...plan.peers]) {
        prepared.push(target)
        await prepare(target, run)
      }
      for (const group of plan.groups) {
        for (const line of await measuredGroup(GROUPS[group]!, prepared, run, plan)) print(line)
      }
    } finally {
      for (const target of prepared) {
        for (const kind of KINDS) await ask(target, 'DELETE', `/${run}-${kind}`).catch(() => undefined)
      }
      for (const target of ours) await target.stop()
    }
  })
}

async function prepare(target: Target, run: string): Promise<void> {
  for (const kind of KINDS) {
    await ask(target, 'PUT', `/${run}-${kind}`)
    const design = DESIGNS[kind]
    if (design !== undefined) {
      await ask(target, 'PUT', `/${run}-${kind}/_design/bench`, JSON.stringify(design))
    }
  }
  for (let from = 0; from < CHANGES; from += BULK) {
    const docs = Array.from({ length: BULK }, (_, at) => storedDocument(from + at))
    await ask(target, 'POST', `/${run}-stored/_bulk_docs`, JSON.stringify({ docs }))
  }
}

async function measuredGroup(
  workloads: readonly FunctionWorkload[],
  targets: readonly Target[],
  run: string,
  { rounds, seconds, load: tool }: ServersPlan,
): Promise<string[]> {
  const progress = new Progress(workloads.length * targets.length * (rounds + 1))
  const found = new Map(targets.map((target) => [target, workloads.map((): Round[] => [])]))
  let measurement = 0
  for (let round = 0; round <= rounds; round++) {
    for (const target of targets) {
      for (const [at, workload] of workloads.entries()) {
        progress.begin(`${workload.name}, ${target.name}`)
        const load = loadOf(workload, target, run, measurement++)
        const taken = await oneRound(target, load, tool, round === 0 ? WARM_UP_SECONDS : seconds)
        if (round > 0) found.get(target)![at]!.push(taken)
        progress.end()
      }
    }
  }
  progress.close()
  return tableOf(workloads, found)
}

function loadOf(
  { method, body, connections, path, database }: FunctionWorkload,
  target: Target,
  run: string,
  measurement: number,
): Load {
  const headers: Record<string, string> = {}
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (target.authorization !== undefined) headers['authorization'] = target.authorization
  const suffix = path.includes('{n}') ? `-${measurement}` : ''
  return {
    method,
    body,
    connections,
    headers,
    path: `/${run}-${database}/${path}${suffix}`,
    numbers: { kind: 'fresh' },
  }
}

function tableOf(
  workloads: readonly FunctionWorkload[],
  found: ReadonlyMap<Target, readonly Round[][]>,
): string[] {
  const head = [
    'workload',
    'server',
    'documents/s',
    'x without',
    'p50 ms',
    'p99 ms',
    'CPU us/document',
    'main thread us',
  ]
  const rows = workloads.flatMap((workload, at) =>
    [...found].map(([target, its]) => {
      const { documents } = workload
      const rounds = its[at]!
      const middle = (field: (round: Round) => number): number => median(rounds.map(field))
      const ratios = rounds.map((round, turn) => round.requestsPerSecond / its[0]![turn]!.requestsPerSecond)
      const cpu = (us: number): string => (Number.isNaN(us) ? '-' : (us / documents).toFixed(1))
      return [
        workload.name,
        target.name,
        (middle((round) => round.requestsPerSecond) * documents).toFixed(0),
        at === 0 ? '' : median(ratios).toFixed(2),
        (middle((round) => round.p50Us) / 1000).toFixed(2),
        (middle((round) => round.p99Us) / 1000).toFixed(2),
        cpu(middle((round) => round.cpuUsPerRequest)),
        cpu(middle((round) => round.mainCpuUsPerRequest)),
      ]
    }),
  )
  return alignedTable([head, ...rows])
}
