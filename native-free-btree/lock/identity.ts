/**
 * Which process this is, told apart from every other that could leave a lock file behind: pids are used again,
 * in containers every owner may be pid 1, and after a restart of the machine all are dead.
 *
 * Linux: proc(5) documents /proc/PID/stat (field 22 is the start time in clock ticks since boot) and
 * /proc/sys/kernel/random/boot_id; pid_namespaces(7) the link /proc/PID/ns/pid.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { systemErrorCode } from '../errors.ts'

export interface ProcessIdentity {
  /** Different after each start of the machine; null where the platform does not tell. */
  readonly bootId: string | null
  /** Two pids may be compared only if this is equal; null where the platform has no such thing. */
  readonly pidNamespace: string | null
  readonly pid: number
  /** Tells two processes with the same pid apart; null where the platform does not tell. */
  readonly startTime: string | null
  /** Whether `pid`, which lives in this process's namespace, runs and is the one that began at `startTime`. */
  isAlive(pid: number, startTime: string | null): boolean
}

interface ProcessStatus {
  readonly pid: number
  readonly state: string
  readonly startTime: string
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1').trim()
  } catch {
    return null
  }
}

/** The second field, the program's name, may hold spaces and parentheses: fields are counted from its end. */
function readStatus(directory: string): ProcessStatus | null {
  const text = readText(`${directory}/stat`)
  const nameEnd = text?.lastIndexOf(')') ?? -1
  if (text === null || nameEnd < 0) return null
  const fields = text.slice(nameEnd + 2).split(' ')
  const state = fields[0]
  const startTime = fields[19]
  if (state === undefined || startTime === undefined) return null
  return { pid: Number.parseInt(text, 10), state, startTime }
}

/** A process of another user answers EPERM: it exists. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return systemErrorCode(error) !== 'ESRCH'
  }
}

/**
 * A process that was killed stays a zombie until its parent looks at it, in some containers for ever. It holds
 * nothing any more once no other thread of it is left; until then a write may still be under way in one.
 */
function hasEnded(pid: number, state: string): boolean {
  if (state !== 'Z' && state !== 'X') return false
  try {
    return readdirSync(`/proc/${pid}/task`).length <= 1
  } catch {
    return true
  }
}

/** `startTime` null, or a hidden /proc/PID (mount option hidepid), leaves the pid alone to tell. */
function isAliveOnLinux(pid: number, startTime: string | null): boolean {
  if (!exists(pid)) return false
  const status = readStatus(`/proc/${pid}`)
  if (status === null) return exists(pid)
  if (hasEnded(pid, status.state)) return false
  return startTime === null || status.startTime === startTime
}

let current: ProcessIdentity | undefined

/** The identity of the running process; read once. */
export function currentProcess(): ProcessIdentity {
  current ??= readCurrentProcess()
  return current
}

function readCurrentProcess(): ProcessIdentity {
  const own = process.platform === 'linux' ? readStatus('/proc/self') : null
  // A /proc that was mounted for another namespace numbers processes differently: it says nothing of ours.
  const trusted = own !== null && own.pid === process.pid
  return {
    bootId: readText('/proc/sys/kernel/random/boot_id'),
    pidNamespace: readOwnNamespace(),
    pid: process.pid,
    startTime: trusted ? own.startTime : null,
    isAlive: trusted ? isAliveOnLinux : (pid) => exists(pid),
  }
}

function readOwnNamespace(): string | null {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return null
  }
}
