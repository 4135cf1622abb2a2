/** The program of the thread that writes indexes. */
import { workerData } from 'node:worker_threads'

// Room by room: opened all at once, modules take as many file descriptors.
await import('../../native-free-btree/index.ts')
await import('../database/open.ts')
await import('../scripting/scripting.ts')
const { runIndexThread } = await import('./index-service-thread.ts')
runIndexThread(workerData)
