/**
 * A program: about the least that a durable write over HTTP can cost on this platform with a client that waits for each. A bare server
 * of node's appends the body of each request to a file, syncs it (fdatasync) on its only thread, and sends the body back.
 * Its argument is the file; prints its port.
 */
import { fdatasyncSync, openSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const file = openSync(process.argv[2]!, 'a')
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    for (let at = 0; at < body.length; ) at += writeSync(file, body, at)
    fdatasyncSync(file)
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': body.length })
    response.end(body)
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`)
})
