/**
 * The server as its users run it: `davenport serve` in a process of its own, on a port of its own. Its memory
 * is read from /proc, so `memory` is for Linux alone.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { type Child, startChild } from './child.ts'

export const ADMIN = 'admin:secret'

export interface ServerProcessOptions {
  dataDir: string
  /** Null: none is configured. */
  admin?: null
  /** Settings by their names in the environment. */
  environment?: Record<string, string>
  /** Most files it may have open. */
  openFiles?: number | undefined
  /** For node itself. */
  nodeFlags?: readonly string[] | undefined
  /** A program and its arguments that is to run the server, as a tracer does. */
  under?: readonly string[] | undefined
  /** Another program than the command line's own, which can be sent messages; its path is from this folder. */
  program?: string | undefined
  /** Of the command line, beside the others. */
  moreArguments?: readonly string[] | undefined
}

export interface ServerProcess {
  readonly child: Child
  /** Resolves with the port once requests are taken; rejects when the process ends first. */
  readonly port: Promise<number>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves with the exit status. */
  stop(): Promise<number | null>
}

/** Hashes of passwords are cheap here: what they cost is no subject of these tests. */
const QUICK = { DAVENPORT_CHTTPD_AUTH__ITERATIONS: '2' }

export function startServerProcess(options: ServerProcessOptions): ServerProcess {
  const { dataDir, environment, openFiles, nodeFlags, under, program } = options
  const args = ['serve', '--port', '0', '--data-dir', dataDir, ...(options.moreArguments ?? [])]
  if (options.admin !== null) args.push('--admin', ADMIN)
  const limits = { openFiles, nodeFlags, under, hasMessages: program !== undefined }
  const child = startChild(program ?? '../../src/cli/main.js', args, { ...QUICK, ...environment }, limits)
  const port = child.until(/listening on http:\/\/127\.0\.0\.1:(\d+)\//).then((match) => Number(match[1]))
  port.catch(() => undefined)
  const end = (signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> => {
    child.process.kill(signal)
    return child.ended
  }
  return {
    child,
    port,
    async kill() {
      await end('SIGKILL')
    },
    stop: () => end('SIGTERM'),
  }
}

export interface ProcessMemory {
  /** Bytes of memory that the process has now. */
  residentBytes: number
  /** The most that it had since it started or since `forgetPeak`. */
  peakBytes: number
}

export async function processMemory(server: ServerProcess): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${server.child.process.pid}/status`, 'utf8')
  const bytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)![1]) * 1024
  return { residentBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') }
}

/** Lets the peak start again at what the process has now (proc(5): clear_refs, value 5). */
export async function forgetPeak(server: ServerProcess): Promise<void> {
  await writeFile(`/proc/${server.child.process.pid}/clear_refs`, '5')
}
