/**
 * Whole answers whose head is written in front of their bytes, so that both are one piece of memory for the operating system. Node
 * joins a head with text alone: bytes would be made a text, joined, laid side by side and made bytes again, which are as many copies
 * of the answer, half of them garbage. What holds:
 * - The bytes and their order are Node's.
 * - Memory is given back when nothing of it is to be sent any more, and never twice: whoever has it next writes over it.
 */
import type { ServerResponse } from 'node:http'
import { giveBack, type Whole } from '../../documents/gathered.ts'

/** What Node has of a head that was written, and whether it has sent it. */
interface Headed {
  readonly _header: unknown
  _headerSent: unknown
}

/** Ends the answer, whose head was written, with a body whose memory is this function's from now on. */
export function endWithBytes(response: ServerResponse, body: Whole): void {
  const piece = behindHead(response, body)
  const { socket } = response
  // Most often the operating system takes all of it at once. What waits behind others is a copy, as long as it is.
  const isNext = socket !== null && socket.writableLength === 0
  response.end(isNext ? piece : Buffer.from(piece))
  // Else it goes when the system has taken all of it.
  if (!isNext || response.writableLength === 0) giveBack(piece)
}

/** The body, and the head before it where there is room: Node is told then that it is sent. */
function behindHead(response: ServerResponse, { bytes, start, end }: Whole): Buffer {
  const headed = response as unknown as Headed
  const head = headed._header
  if (typeof head !== 'string' || headed._headerSent !== false || head.length > start) {
    return bytes.subarray(start, end)
  }
  headed._headerSent = true
  const from = start - head.length
  bytes.write(head, from, 'latin1')
  return bytes.subarray(from, end)
}
