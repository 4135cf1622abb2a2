import { NODE } from '../base/node-name.ts'
import { type RequestedReplication, replicationIdText } from '../replication/api.ts'
import type { ReplicationInfo } from '../server/replicator-service.ts'
import { isoTime } from './iso-time.ts'
import { pidOf } from './job.ts'
import { descriptionOf } from './job-description.ts'

/** A replication that a request began, as `_scheduler/jobs` tells of it. */
export function requestedInfo({ job, startedAtMs, replication }: RequestedReplication): ReplicationInfo {
  const id = replicationIdText(replication.id)
  const { user, source, target } = descriptionOf(id, job, startedAtMs)
  const timestamp = isoTime(startedAtMs)
  return {
    database: null,
    id,
    pid: pidOf(id),
    source,
    target,
    user,
    doc_id: null,
    info: { ...replication.progress() },
    history: [
      { timestamp, type: 'started' },
      { timestamp, type: 'added' },
    ],
    node: NODE,
    start_time: timestamp,
  }
}
