/** A thread that listens on a descriptor and keeps what connects, as a front does: sharing connections out with the others, or not. */
import { createServer } from 'node:net'
import { workerData } from 'node:worker_threads'
import { ConnectionShare } from '../../src/base/connection-shares.ts'

export interface ListeningThreadStart {
  fd: number
  words: Int32Array
  place: number
  /** How long it lets others take a connection, in a turn and in a row. */
  patienceMs: number
}

const { fd, words, place, patienceMs } = workerData as ListeningThreadStart
const waiting = { longestMs: patienceMs, mostMs: patienceMs, successionMs: Number.POSITIVE_INFINITY }
const share = new ConnectionShare(words, place, waiting)
const server = createServer((socket) => {
  share.came()
  socket.on('error', () => undefined)
  socket.once('close', () => share.went())
  socket.resume()
})
server.listen({ fd }, () => share.listens(true))
