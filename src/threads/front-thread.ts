/** The program of a front's thread: takes requests on the socket that it is given, and asks the core for what it has not. */
import { workerData } from 'node:worker_threads'
import { loadHttpRooms } from './load-rooms.ts'

await loadHttpRooms()
const { runFront } = await import('./front.ts')
runFront(workerData)
