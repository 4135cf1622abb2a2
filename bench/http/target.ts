/** The servers that are measured: davenport and the constant in processes of their own, peers where they run. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { ADMIN, startServerProcess } from '../../test/support/server-process.ts'
import { DOCUMENT, type Workload } from './workload.ts'

const BATCH = 1000

export interface Target {
  name: string
  origin: string
  authorization: string | undefined
  /** Of a server of this machine whose CPU time is counted. */
  pid: number | undefined
  /** Undefined: it answers all workloads. */
  only?: readonly string[]
  stop(): Promise<void>
}

/** As a user would start it, an administrator's name and password on the command line, with so many threads that take requests. */
export async function startOurs(
  dataDir: string,
  threads: string | undefined,
  profileFolder: string | undefined,
  settings: Record<string, string> = {},
): Promise<Target> {
  const nodeFlags =
    profileFolder === undefined
      ? []
      : ['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${profileFolder}`]
  const environment = {
    DAVENPORT_CHTTPD_AUTH__ITERATIONS: '600000',
    DAVENPORT_DAVENPORT__THREADS: threads ?? 'auto',
    ...settings,
  }
  const server = startServerProcess({ dataDir, environment, nodeFlags })
  const origin = `http://127.0.0.1:${await server.port}`
  const { pid } = server.child.process
  return {
    name: threads === undefined ? 'davenport' : `threads ${threads}`,
    origin,
    authorization: basic(ADMIN),
    pid,
    async stop() {
      await server.stop()
    },
  }
}

/** Numbers of threads that take requests, or `auto`; undefined stands for the default. Throws RangeError. */
export function threadCounts(list: string | undefined): (string | undefined)[] {
  if (list === undefined) return [undefined]
  const counts = list.split(',')
  if (!counts.every((count) => /^(?:\d+|auto)$/.test(count)))
    throw new RangeError('--threads takes numbers, or auto, with commas between')
  return counts
}

/** `lengths` by method and path. */
export function startConstant(lengths: Record<string, number>): Promise<Target> {
  return startReference('constant', 'constant', [], JSON.stringify(lengths))
}

/** What a write of a client that waits for each is held against; `path` is that of the file that it writes. */
export async function startDurableEcho(path: string): Promise<Target> {
  return { ...(await startReference('durable echo', 'durable-echo', [path], '')), only: ['put-1'] }
}

/** A program of this folder, which prints its port. */
async function startReference(
  name: string,
  program: string,
  args: readonly string[],
  input: string,
): Promise<Target> {
  const path = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(input)
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = /^port (\d+)/.exec(line.toString())![1]
  return {
    name,
    origin: `http://127.0.0.1:${port}`,
    authorization: basic(ADMIN),
    pid: child.pid,
    async stop() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    },
  }
}

/** `NAME=URL`, the URL with an administrator's name and password. Throws Error for anything else. */
export function peerTarget(text: string): Target {
  const found = /^([^=]+)=(.+)$/.exec(text)
  if (found === null || !URL.canParse(found[2]!)) throw new Error(`--peer takes NAME=URL, not ${text}`)
  const url = new URL(found[2]!)
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return {
    name: found[1]!,
    origin: url.origin,
    authorization: url.username === '' ? undefined : basic(credentials),
    pid: undefined,
    stop: async () => {},
  }
}

function basic(credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`
}

/** Names of a run's databases. */
export interface Databases {
  /** Read only. */
  stored: string
  /** Read only, for everybody. */
  open: string
  /** Written to. */
  written: string
}

export function databaseOf(databases: Databases, workload: Workload): string {
  if (workload.anonymous) return databases.open
  return workload.body === undefined ? databases.stored : databases.written
}

/** Makes the databases of a CouchDB-compatible server, with so many documents in each. */
export async function prepare(target: Target, databases: Databases, stored: number): Promise<void> {
  for (const name of Object.values(databases)) {
    await ask(target, 'PUT', `/${name}`)
    for (let from = 0; from < stored; from += BATCH) {
      const length = Math.min(BATCH, stored - from)
      const docs = Array.from({ length }, (_, at) => ({ _id: String(from + at), ...DOCUMENT }))
      await ask(target, 'POST', `/${name}/_bulk_docs`, JSON.stringify({ docs }))
    }
  }
  const everybody = { admins: { names: [], roles: ['_admin'] }, members: { names: [], roles: [] } }
  await ask(target, 'PUT', `/${databases.open}/_security`, JSON.stringify(everybody))
}

export async function removeDatabases(target: Target, databases: Databases): Promise<void> {
  for (const name of Object.values(databases)) await ask(target, 'DELETE', `/${name}`)
}

/** The lengths of a prepared server's answers, for the constant. */
export async function answerLengths(
  target: Target,
  databases: Databases,
  workloads: readonly Workload[],
): Promise<Record<string, number>> {
  const lengths: Record<string, number> = {}
  for (const workload of workloads) {
    const path = workload.path.replace('{n}', workload.fresh ? 'length' : '0')
    const database = databaseOf(databases, workload)
    const route = `${workload.method} ${workload.path.split('?')[0]}`
    lengths[route] ??= (await ask(target, workload.method, `/${database}/${path}`, workload.body)).length
  }
  return lengths
}

/** Throws Error for an answer that is no 2xx. */
export async function ask(target: Target, method: string, path: string, body?: string): Promise<string> {
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  if (target.authorization !== undefined) headers['authorization'] = target.authorization
  const response = await fetch(`${target.origin}${path}`, { method, headers, ...(body ? { body } : {}) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${target.name}: ${method} ${path}: ${response.status} ${text}`)
  return text
}
