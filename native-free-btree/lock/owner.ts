/**
 * Whether the owner that a lock names still runs.
 *
 * | machine start, pid namespace | what tells |
 * |---|---|
 * | same, same | the pid with its start time; without one, the pid and then the socket |
 * | same, other | the socket alone: all containers have a pid 1 |
 * | other, any | dead |
 *
 * Whatever the pid says, an owner whose socket answers is alive: some containers show a made-up boot id.
 * Two machines that share a folder over a network are beyond this: each takes the other for one that restarted.
 */

import type { ProcessIdentity } from './identity.ts'
import { askSocket } from './liveness.ts'
import type { LockRecord } from './record.ts'

/** 'unknown': not in sight of this process, and no socket to ask. */
export type OwnerState = 'alive' | 'dead' | 'unknown'

function stateByPid(record: LockRecord, identity: ProcessIdentity): OwnerState {
  const { bootId, pidNamespace } = record
  if (bootId !== null && identity.bootId !== null && bootId !== identity.bootId) return 'dead'
  if (bootId !== identity.bootId || pidNamespace !== identity.pidNamespace) return 'unknown'
  return identity.isAlive(record.pid, record.startTime) ? 'alive' : 'dead'
}

export async function ownerState(
  record: LockRecord,
  directory: string,
  identity: ProcessIdentity,
): Promise<OwnerState> {
  const byPid = stateByPid(record, identity)
  if (byPid === 'alive' && record.startTime !== null) return 'alive'
  const answer = record.socket === null ? 'unknown' : await askSocket(directory, record.socket)
  if (answer === 'answered') return 'alive'
  if (byPid === 'dead' || answer === 'refused') return 'dead'
  return byPid
}
