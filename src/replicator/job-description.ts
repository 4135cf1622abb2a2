import type { EndpointPlace, ReplicationJob } from '../replication/api.ts'
import { urlWithoutCredentials } from './documents/replicator-document.ts'
import type { JobDescription } from './job.ts'

/** What is told of a replication, without credentials. */
export function descriptionOf(id: string, job: ReplicationJob, startTimeMs: number): JobDescription {
  const { source, target, options, owner, origin } = job
  return {
    id,
    database: origin?.database ?? null,
    documentId: origin?.docId ?? null,
    user: owner.name,
    source: shown(source),
    target: shown(target),
    sourceProxy: proxyOf(source),
    targetProxy: proxyOf(target),
    isContinuous: options.continuous,
    startTimeMs,
  }
}

function shown(place: EndpointPlace): string {
  return place.kind === 'local' ? place.name : urlWithoutCredentials(place.url)
}

function proxyOf(place: EndpointPlace): string | null {
  return place.kind === 'local' || place.proxy === undefined ? null : urlWithoutCredentials(place.proxy)
}
