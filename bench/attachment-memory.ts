/**
 * What a large attachment costs: the memory of the server's process while it goes in and out.
 *
 * One client uploads random bytes and reads them back, comparing their MD5. With `--type text/plain` they are
 * gzipped on the way in and unpacked on the way out. Each direction has a server of its own; memory is its peak
 * (VmHWM) less what it had before. Linux only.
 */
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { parseArgs } from 'node:util'
import { HttpClient } from '../test/support/http-client.ts'
import { growthDuring } from '../test/support/large-database.ts'
import { ADMIN, type ServerProcess, startServerProcess } from '../test/support/server-process.ts'
import { type Benchmark, megabytes, stopwatch, withFolder } from './tools.ts'

const CHUNK_BYTES = 64 * 1024
const PATH = '/db/doc/attachment'

type Print = (line: string) => void

export const attachmentMemory: Benchmark = {
  summary: 'a large attachment in and out: memory of the server',
  flags: '[--megabytes 1024] [--type application/octet-stream] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        megabytes: { type: 'string', default: '1024' },
        type: { type: 'string', default: 'application/octet-stream' },
        folder: { type: 'string' },
      },
    })
    const chunks = Math.ceil((Number(values.megabytes) * 1024 * 1024) / CHUNK_BYTES)
    await withFolder(values.folder, async (dataDir) => {
      const sent = await measured(dataDir, 'in', chunks * CHUNK_BYTES, print, async (port) => {
        const client = new HttpClient(port)
        await client.json('PUT', '/db')
        client.close()
        return upload(port, chunks, values.type)
      })
      const got = await measured(dataDir, 'out', chunks * CHUNK_BYTES, print, download)
      if (got !== sent) throw new Error('what came out is not what went in')
    })
  },
}

async function measured<T>(
  dataDir: string,
  direction: string,
  bytes: number,
  print: Print,
  run: (port: number) => Promise<T>,
): Promise<T> {
  const server: ServerProcess = startServerProcess({ dataDir })
  try {
    const port = await server.port
    const client = new HttpClient(port)
    await client.json('GET', '/')
    client.close()
    const lap = stopwatch()
    const { result, baselineBytes, growthBytes } = await growthDuring(server, () => run(port))
    const seconds = lap()
    print(`${megabytes(bytes)} ${direction} in ${seconds.toFixed(1)} s`)
    const peak = megabytes(baselineBytes + growthBytes)
    print(`  memory: ${megabytes(baselineBytes)}, ${megabytes(growthBytes)} more at the most: peak ${peak}`)
    await server.stop()
    return result
  } finally {
    await server.kill()
  }
}

/** Resolves with the MD5 of what was sent. */
function upload(port: number, chunks: number, type: string): Promise<string> {
  const hash = createHash('md5')
  return new Promise((resolve, reject) => {
    const sent = request({
      host: '127.0.0.1',
      port,
      method: 'PUT',
      path: PATH,
      auth: ADMIN,
      headers: { 'content-type': type, 'content-length': chunks * CHUNK_BYTES },
    })
    sent.on('error', reject)
    sent.on('response', (response) => {
      response.resume()
      if (response.statusCode === 201) resolve(hash.digest('hex'))
      else reject(new Error(`the upload was answered with ${response.statusCode}`))
    })
    let left = chunks
    const send = (): void => {
      for (; left > 0; left--) {
        const chunk = randomBytes(CHUNK_BYTES)
        hash.update(chunk)
        if (!sent.write(chunk)) {
          left -= 1
          sent.once('drain', send)
          return
        }
      }
      sent.end()
    }
    send()
  })
}

/** Resolves with the MD5 of what was received. */
function download(port: number): Promise<string> {
  const hash = createHash('md5')
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path: PATH, auth: ADMIN }, (response) => {
      response.on('data', (chunk: Buffer) => hash.update(chunk))
      response.on('error', reject)
      response.on('end', () => resolve(hash.digest('hex')))
    })
    sent.on('error', reject)
    sent.end()
  })
}
