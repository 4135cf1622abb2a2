/**
 * A program: a fastify that answers every workload with a constant of the length that davenport's answer has,
 * which is about the least that an answer can cost on this platform. Bodies are read and parsed as fastify does
 * by default. Reads the lengths from standard input, prints its port.
 */
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fastify } from 'fastify'

const MAX_BODY_BYTES = 2 ** 26
const LONG_BYTES = 2 ** 16

/** By the path below the database, `{n}` for a document's. */
const lengths = JSON.parse(await text(process.stdin)) as Record<string, number>
const app = fastify({ logger: false, bodyLimit: MAX_BODY_BYTES })
for (const [route, length] of Object.entries(lengths)) {
  const [method, path] = route.split(' ', 2)
  const text = JSON.stringify('x'.repeat(Math.max(0, length - 2)))
  // A short text goes out with its head in one piece; a long one would be copied for each answer.
  const constant = length > LONG_BYTES ? Buffer.from(text) : text
  app.route({
    method: method!,
    url: `/:db/${path!.replace('{n}', ':id')}`,
    handler: (_request, reply) => {
      reply.header('content-type', 'application/json').send(constant)
    },
  })
}
await app.listen({ port: 0, host: '127.0.0.1' })
process.stdout.write(`port ${(app.server.address() as AddressInfo).port}\n`)
