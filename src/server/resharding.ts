/**
 * Whether the splitting of shards is switched on, which is all that there is of it while a database is one file: no job
 * can be made. As in CouchDB, who stops what is stopped changes nothing, the reason neither.
 */
export interface ReshardingState {
  readonly state: 'running' | 'stopped'
  readonly reason: string | null
}

const RUNNING: ReshardingState = { state: 'running', reason: null }

export class Resharding {
  #state: ReshardingState = RUNNING

  state(): ReshardingState {
    return this.#state
  }

  start(): void {
    this.#state = RUNNING
  }

  stop(reason: string): void {
    if (this.#state.state === 'running') this.#state = { state: 'stopped', reason }
  }
}
