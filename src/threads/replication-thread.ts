/** The program of the thread that replicates. */
import { workerData } from 'node:worker_threads'
import { loadReplicationRooms } from './load-rooms.ts'

await loadReplicationRooms()
const { runReplications } = await import('./replication-worker.ts')
runReplications(workerData)
