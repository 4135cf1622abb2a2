/**
 * The command line as a program of its own, over fakes: databases that are files of JSON, a lock that is a
 * file, an HTTP server that says who asks, and stores whose findings are written in the file.
 */
import { once } from 'node:events'
import { open, readFile, unlink } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DatabaseError } from '../../src/base/errors.ts'
import { runCommandLine } from '../../src/cli/command-line.ts'
import type { Parts } from '../../src/cli/parts.ts'
import { processConsole } from '../../src/cli/process-console.ts'
import { fakeDatabases } from './fake-database.ts'

const parts: Parts = {
  version: '1.2.3',
  async acquireLock(path) {
    const file = `${path}.lock`
    await (await open(file, 'wx')).close()
    return { release: () => unlink(file) }
  },
  databaseOpener: () => fakeDatabases(),
  async startHttp(server) {
    const http = createServer((request, response) => {
      const answer = async (): Promise<unknown> => {
        const { authorization, cookie } = request.headers
        const { user, handler } = await server.authenticator.authenticate({ authorization, cookie })
        const name = request.url!.slice(1)
        server.log.notice('arrived', { name })
        if (name === 'slow') await new Promise((resolve) => setTimeout(resolve, 300))
        if (name === 'stuck') await new Promise(() => undefined)
        if (request.method === 'PUT') await server.databases.create(name)
        return { user: { ...user, handler }, names: server.databases.list() }
      }
      answer().then(
        (value) => response.end(JSON.stringify(value)),
        (error) => {
          response.statusCode = error instanceof DatabaseError ? error.status : 500
          response.end(error.message)
        },
      )
    })
    http.listen(server.settings.get('port'), server.settings.get('bindAddress')[0])
    await once(http, 'listening')
    const url = `http://${server.settings.get('bindAddress')[0]}:${(http.address() as AddressInfo).port}`
    return {
      url,
      urls: [url],
      async stop(graceMs) {
        const closed = once(http, 'close')
        http.close()
        http.closeIdleConnections()
        const timer = setTimeout(() => http.closeAllConnections(), graceMs)
        await closed
        clearTimeout(timer)
      },
    }
  },
  async startGateway() {
    throw new Error('there is nobody to speak HTTP')
  },
  async openMigration() {
    throw new Error('there is nobody to speak HTTP')
  },
  async compactFile(path, onProgress) {
    await readFile(path)
    onProgress(1, 1)
    return { bytesBefore: 10, bytesAfter: 4, resumed: false }
  },
  async openInspection() {
    throw new Error('there is no file')
  },
  async openStore(path) {
    const { damaged, problems, leftovers = [] } = JSON.parse(await readFile(path, 'utf8'))
    if (damaged) throw new Error('group at 8192 is damaged')
    return {
      uuid: 'u',
      commit: 7,
      recovery: { outcome: 'cut', cutBytes: 9, cutAt: 100 },
      async check(onProgress) {
        for (let done = 0; done <= 1000; done++) onProgress?.(done, 1000)
        return {
          problems,
          problemCount: problems.length,
          leftovers,
          groups: 1,
          nodes: 2,
          entries: 3,
          values: 4,
          bytes: 5,
        }
      },
      stats: () => ({ fileBytes: 109, trees: { id: { count: 3, bytes: 50, depth: 1 } } }),
      close: async () => undefined,
    }
  },
}

process.exit(await runCommandLine(process.argv.slice(2), parts, processConsole()))
