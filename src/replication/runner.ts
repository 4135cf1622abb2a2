/** Replications in this thread. */
import { isServerAdmin } from '../auth/user.ts'
import {
  type EndpointPlace,
  NO_PROGRESS,
  ReplicationError,
  type ReplicationId,
  type ReplicationJob,
  type ReplicationOutcome,
  type ReplicationRunner,
  type RunningReplication,
  shownPlace,
} from './api.ts'
import type { SourceEndpoint, TargetEndpoint } from './endpoint.ts'
import { Peer } from './http/peer.ts'
import { PeerSource } from './http/peer-source.ts'
import { PeerTarget } from './http/peer-target.ts'
import { LocalSource } from './local/local-source.ts'
import { LocalTarget } from './local/local-target.ts'
import type { ReplicationParts } from './parts.ts'
import { Replication } from './replication.ts'
import { needsFilterCode, replicationId } from './replication-id.ts'

/** JSON of a document may be so much longer than its body: revisions and what is said of attachments. */
const BESIDE_THE_BODY_BYTES = 8 * 1024 * 1024
/** A feed waits on one connection, and documents are read beside it. */
const LEAST_CONNECTIONS = 2

export class LocalRunner implements ReplicationRunner {
  readonly #parts: ReplicationParts
  readonly #running = new Map<string, RunningReplication>()
  #isStopped = false

  constructor(parts: ReplicationParts) {
    this.#parts = parts
  }

  async idOf(job: ReplicationJob): Promise<ReplicationId> {
    const { uuid } = this.#parts
    const { choice } = job.options
    if (choice.kind !== 'filter' || !needsFilterCode(job)) return replicationId(job, { uuid })
    const slash = choice.filter.indexOf('/')
    const source = this.#source(job)
    try {
      const code = await source.filterCode(
        choice.filter.slice(0, slash),
        choice.filter.slice(slash + 1),
        AbortSignal.timeout(job.options.timeoutMs * 2),
      )
      return replicationId(job, { uuid, filterCode: trimmedCode(code) })
    } catch (error) {
      if (error instanceof ReplicationError) throw error
      const shown = shownPlace(job.source)
      throw new ReplicationError({
        error: 'filter_fetch_error',
        reason: `Could not open source database \`${shown}\`.`,
        status: 500,
        isTransient: true,
      })
    } finally {
      await source.close()
    }
  }

  /** `onProgress` is called when there is some. */
  start(job: ReplicationJob, id: ReplicationId, onProgress: () => void = () => {}): RunningReplication {
    const key = id.base + id.suffix
    if (this.#isStopped || this.#running.has(key)) return this.#refused(id)
    let replication: Replication
    let ended: Promise<ReplicationOutcome>
    let onStarted = (): void => {}
    const started = new Promise<void>((resolve) => {
      onStarted = resolve
    })
    try {
      replication = this.#replication(job, id, onProgress)
      ended = replication.run(onStarted)
    } catch (error) {
      // A proxy that must not be used, certificates that cannot be read.
      return failedAtOnce(id, error)
    }
    const running: RunningReplication = {
      id,
      started,
      ended: ended.finally(() => {
        onStarted()
        if (this.#running.get(key) === running) this.#running.delete(key)
      }),
      progress: () => replication.progress(),
      stop: () => {
        replication.stop()
        return running.ended
      },
    }
    this.#running.set(key, running)
    return running
  }

  /** Stops all, after a checkpoint each. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all([...this.#running.values()].map((each) => each.stop()))
    await this.#parts.connections.close()
  }

  #refused(id: ReplicationId): RunningReplication {
    return failedAtOnce(
      id,
      new ReplicationError({
        error: this.#isStopped ? 'service_unavailable' : 'duplicate_job',
        reason: this.#isStopped ? 'The server is shutting down.' : 'The same replication runs already.',
        status: this.#isStopped ? 503 : 409,
        isTransient: this.#isStopped,
      }),
    )
  }

  #replication(job: ReplicationJob, id: ReplicationId, onProgress: () => void): Replication {
    return new Replication({
      job,
      checkpointIds: [id.base, ...id.older],
      source: this.#source(job),
      target: this.#target(job),
      parts: this.#parts,
      onProgress,
    })
  }

  #source(job: ReplicationJob): SourceEndpoint {
    const { source: place, owner, options } = job
    const { choice, winningRevsOnly, useBulkGet } = options
    const { clock } = this.#parts
    const shown = this.#shown(place)
    if (place.kind === 'local') {
      return new LocalSource({ parts: this.#parts, name: place.name, owner, shown, choice, winningRevsOnly })
    }
    const database = { ...this.#peer(job, place), shown }
    return new PeerSource({ ...database, choice, winningRevsOnly, useBulkGet, clock })
  }

  #target(job: ReplicationJob): TargetEndpoint {
    const { target: place, owner } = job
    const shown = this.#shown(place)
    if (place.kind === 'local') return new LocalTarget({ parts: this.#parts, name: place.name, owner, shown })
    return new PeerTarget({ ...this.#peer(job, place), shown, random: this.#parts.random })
  }

  #shown(place: EndpointPlace): string {
    const { settings } = this.#parts
    const [host = ''] = settings.get('bindAddress')
    const port = settings.get('port')
    // Port 0 is any that was free: nobody gets to the database by that.
    if (port === 0) return shownPlace(place)
    return shownPlace(place, `http://${host.includes(':') ? `[${host}]` : host}:${port}`)
  }

  #peer(job: ReplicationJob, place: Extract<EndpointPlace, { kind: 'remote' }>) {
    const { settings, connections, clock, random, version } = this.#parts
    const { timeoutMs, retries, connections: most } = job.options
    const connection = connections.open({
      proxy: place.proxy,
      rules: isServerAdmin(job.owner)
        ? undefined
        : {
            hosts: settings.get('replicationHosts'),
            refusedNetworks: settings.get('replicationRefusedNetworks'),
          },
      verifiesCertificates: settings.get('replicationVerifiesCertificates'),
      certificates: settings.get('replicationCertificates'),
      timeoutMs,
    })
    const peer = new Peer({
      place,
      connection,
      timeoutMs,
      retries,
      connections: Math.max(LEAST_CONNECTIONS, most),
      clock,
      random,
      userAgent: `davenport/${version}`,
    })
    return { peer, mostDocumentBytes: settings.get('maxDocumentSize') + BESIDE_THE_BODY_BYTES }
  }
}

function failedAtOnce(id: ReplicationId, error: unknown): RunningReplication {
  const failure =
    error instanceof ReplicationError
      ? { error: error.error, reason: error.reason, status: error.status, isTransient: error.isTransient }
      : { error: 'replication_failed', reason: 'It could not be started.', status: 500, isTransient: true }
  const ended = Promise.resolve<ReplicationOutcome>({ kind: 'failed', failure, progress: NO_PROGRESS })
  return { id, started: Promise.resolve(), ended, progress: () => NO_PROGRESS, stop: () => ended }
}

/** As CouchDB trims it: one line of code, on both sides. */
function trimmedCode(code: string): string {
  return code.replace(/^ *([^\n]*?) *(?=\n?$)/, '$1')
}
