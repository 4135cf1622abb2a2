/**
 * `Expect: 100-continue`: a client that asks before it sends its body. Node would tell it to go on before anybody has looked at the
 * request. Here it is told when the body is asked for, so that what can be refused by the head alone (credentials, rights, the method,
 * the type, the length) is refused before the body is sent. Such an answer says `Connection: close`, by Node: whether the body still
 * comes nobody knows.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { TellingMessage } from '../request/telling-message.ts'

/** Of a server whose requests are `TellingMessage`s. */
export function tellToContinue(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const message = request as TellingMessage
    message.whenWanted(() => {
      if (!response.headersSent) response.writeContinue()
    })
    server.emit('request', request, response)
  })
}
