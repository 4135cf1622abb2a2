/** How a thread of long work leaves the processors to those that answer requests, where there are too few for all. */
import { spawnSync } from 'node:child_process'
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority

/** For the program that is asked for a policy. */
const PATIENCE_MS = 2000

/**
 * To be called by the thread itself; nobody but root can undo it, and threads that it starts are as low. On Linux threads have
 * priorities of their own, and are named in /proc; elsewhere this is a thread like others.
 */
export function giveWayToOthers(): void {
  const thread = ownThread()
  if (thread !== undefined) sink(thread, PRIORITY_BELOW_NORMAL)
}

/**
 * As `giveWayToOthers`, and the thread has next to nothing of a processor that somebody else wants. Under Linux's policy for idle
 * processors (sched(7): SCHED_IDLE) whoever wakes up has the processor at once; of any other policy even the lowest priority is let
 * finish its turn of some milliseconds. Node sets no policies: util-linux's and BusyBox's `chrt` does. Without it the priority is the lowest.
 */
export function takeWhatIsLeft(): void {
  const thread = ownThread()
  if (thread === undefined) return
  // First, since a program has the priority of who starts it. What goes wrong is in the result, which nobody needs.
  spawnSync('chrt', ['-i', '-p', '0', String(thread)], { stdio: 'ignore', timeout: PATIENCE_MS })
  sink(thread, PRIORITY_LOW)
}

function sink(thread: number, priority: number): void {
  try {
    setPriority(thread, priority)
  } catch {
    // Not allowed.
  }
}

/** Its number in the system, on Linux. */
function ownThread(): number | undefined {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    return Number.isInteger(thread) && thread > 0 ? thread : undefined
  } catch {
    return undefined
  }
}
