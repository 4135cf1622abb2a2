/**
 * A store of JavaScript in a process of its own, behind the pipe: `host STORE`. Requests are begun as they come, and
 * answered when they are done; each answer is one synchronous write, so that what was answered had been done.
 */
import { writeSync } from 'node:fs'
import type { Store } from '../api.ts'
import { messageOf } from '../lab-error.ts'
import { loadStore } from '../load-store.ts'
import { type Opened, openStoreOf } from '../opened.ts'
import { JSON_LINES } from './format.ts'
import { Lines } from './lines.ts'
import { bytesIn, operationsOf, type Request } from './protocol.ts'

const MOST_LINE_BYTES = 256 * 1024 * 1024
const WAIT = new Int32Array(new SharedArrayBuffer(4))

/** Writes all of it: a pipe that is full is tried again. */
function say(answer: object): void {
  const bytes = Buffer.from(`${JSON.stringify(answer)}\n`)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(WAIT, 0, 0, 1)
    }
  }
}

class Host {
  readonly #store: Store
  #opened: Opened | undefined

  constructor(store: Store) {
    this.#store = store
  }

  async answer(request: Request): Promise<object> {
    if (request.do === 'hello') {
      const { name, version, capabilities, rebuiltFiles, keepsNothing } = this.#store
      return { name, version, capabilities, rebuiltFiles, keepsNothing }
    }
    if (request.do === 'open') {
      if (this.#opened !== undefined) throw new Error('a store is open')
      const { folder, settings, cacheBytes } = request
      this.#opened = await openStoreOf(this.#store, folder, { settings, cacheBytes })
      return { scan: this.#opened.scans }
    }
    const opened = this.#opened
    if (opened === undefined) throw new Error('no store is open')
    switch (request.do) {
      case 'commit':
        await opened.write(operationsOf(request.ops, JSON_LINES), { durable: request.durable })
        return {}
      case 'get':
        return { value: (await opened.get(bytesIn(request.key, JSON_LINES)))?.toString('base64') ?? null }
      case 'scan': {
        const start = request.start === undefined ? undefined : bytesIn(request.start, JSON_LINES)
        const entries = await opened.scan({ start, limit: request.limit })
        return { entries: entries.map((entry) => entry.map((bytes) => bytes.toString('base64'))) }
      }
      case 'close':
        this.#opened = undefined
        await opened.close()
        return {}
      default:
        throw new Error('an unknown request')
    }
  }
}

async function serve(words: string): Promise<void> {
  const host = new Host(await loadStore(words))
  const lines = new Lines(MOST_LINE_BYTES)
  for await (const chunk of process.stdin) {
    for (const line of lines.add(chunk as Buffer)) {
      const { id, ...request } = JSON.parse(line) as { id: number } & Request
      host.answer(request as Request).then(
        (answer) => say({ id, ok: true, ...answer }),
        (error: unknown) => say({ id, error: messageOf(error) }),
      )
    }
  }
}

try {
  await serve(process.argv[2] ?? '')
} catch (error) {
  // What the process says last is told as the reason of its end.
  process.stderr.write(`${messageOf(error)}\n`)
  process.exit(1)
}
process.exit(0)
