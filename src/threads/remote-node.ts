import type { NodeBackend, ReplicatorBackend, ReshardingBackend } from '../http/request/options.ts'
import type { Core } from './front-channel.ts'

type Methods<T> = { [M in keyof T]: (...args: never[]) => Promise<never> }
type Ask = (...args: readonly unknown[]) => Promise<never>

/** The server as a node, of which the core knows what all threads have counted. */
export function remoteNode(core: Core): NodeBackend {
  const call =
    (method: keyof NodeBackend): Ask =>
    (...args) =>
      core.ask('askNode', { method, args }) as Promise<never>
  const methods: Methods<NodeBackend> = {
    statistics: call('statistics'),
    system: call('system'),
    metricsPage: call('metricsPage'),
    compactions: call('compactions'),
    fileMap: call('fileMap'),
    restart: call('restart'),
  }
  return methods
}

export function remoteResharding(core: Core): ReshardingBackend {
  const call =
    (method: keyof ReshardingBackend): Ask =>
    (...args) =>
      core.ask('reshard', { method, args }) as Promise<never>
  const methods: Methods<ReshardingBackend> = {
    state: call('state'),
    start: call('start'),
    stop: call('stop'),
  }
  return methods
}

export function remoteReplicator(core: Core): ReplicatorBackend {
  const call =
    (method: keyof ReplicatorBackend): Ask =>
    (...args) =>
      core.ask('askReplicator', { method, args }) as Promise<never>
  const methods: Methods<ReplicatorBackend> = {
    jobs: call('jobs'),
    job: call('job'),
    documents: call('documents'),
    document: call('document'),
  }
  return methods
}
