/**
 * A front's thread that also notes, in memory which the main thread reads, the ports of the connections that it takes, and when
 * it took the last one of each: only so can it be told whose connections a killed front may cut.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { parentPort } from 'node:worker_threads'
import { systemClock } from '../../src/base/clock.ts'

const PORTS = 65_536

const taken = new Float64Array(new SharedArrayBuffer(PORTS * Float64Array.BYTES_PER_ELEMENT))
parentPort!.postMessage(taken)
subscribe('net.server.socket', (message) => {
  const { remotePort } = (message as { socket: Socket }).socket
  if (remotePort !== undefined) taken[remotePort] = systemClock.now()
})
// Ended between two turns: Node 20 ends the whole process where `terminate` meets a thread within its HTTP parser.
parentPort!.once('message', () => process.exit(1))
parentPort!.unref()
await import('../../src/threads/front-thread.ts')
