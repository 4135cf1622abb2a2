/** How a thread of long work leaves the processors to those that answer requests, where there are too few for all. */
import { readlinkSync } from 'node:fs'
import { constants, setPriority } from 'node:os'

export const { PRIORITY_NORMAL, PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority

/**
 * To be called by the thread itself; nobody but root can undo it, and threads that it starts are as low. On Linux threads have
 * priorities of their own, and are named in /proc; elsewhere this is a thread like others.
 */
export function giveWayToOthers(priority: number = PRIORITY_BELOW_NORMAL): void {
  try {
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1))
    if (Number.isInteger(thread) && thread > 0) setPriority(thread, priority)
  } catch {
    // Not on this system, or not allowed.
  }
}
