/** A store that speaks MessagePack over the pipe: the frames' bytes, all commands of the lab, and what is no frame. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { loadStore, storeSource } from '../../src/lab/load-store.ts'
import { withOpened } from '../../src/lab/opened.ts'
import { MSGPACK_FRAMES } from '../../src/lab/pipe/format.ts'
import { StoreProcess } from '../../src/lab/pipe/store-process.ts'
import { lab, withoutStrace } from '../support/lab-command.ts'

t.setTimeout(300_000)

const EXAMPLE = fileURLToPath(new URL('../../../docs/lab/msgpack_store.mjs', import.meta.url))
const STORE = `msgpack:${process.execPath} ${EXAMPLE}`

const skip = withoutStrace()

t.test('the bytes of a frame', async (t) => {
  const key = Buffer.from('key')
  const frame = MSGPACK_FRAMES.encode({ id: 4, do: 'get', key: MSGPACK_FRAMES.toWire(key) }) as Buffer
  // 23 bytes: a map of 3 with its length in 16 bits, "id" 4, "do" "get", "key" and 3 bytes.
  t.equal(frame.toString('hex'), '00000017de0003a2696404a2646fa3676574a36b6579c4036b6579')
  for (const most of [1, 2, 5, frame.length]) {
    const splitter = MSGPACK_FRAMES.splitter(100)
    const twice = Buffer.concat([frame, frame])
    const found: unknown[] = []
    for (let at = 0; at < twice.length; at += most) {
      for (const message of splitter.add(twice.subarray(at, at + most)))
        found.push(MSGPACK_FRAMES.decode(message))
    }
    t.match(found, [{ id: 4 }, { do: 'get', key }], `in chunks of ${most}`)
    t.same(found[1], { id: 4, do: 'get', key })
  }
  t.throws(() => [...MSGPACK_FRAMES.splitter(10).add(frame)], { message: /a frame of more than 10 bytes/ })
})

t.test('it is read, written, killed and recorded as any other', async (t) => {
  t.match(storeSource(STORE), {
    kind: 'command',
    words: [process.execPath, EXAMPLE],
    format: { name: 'msgpack' },
  })
  await withOpened(await loadStore(STORE), t.testdir(), {}, async (opened) => {
    const entry: [Buffer, Buffer] = [Buffer.from([0, 255]), Buffer.from([10, 0, 200])]
    await opened.write([{ key: entry[0], value: entry[1] }], { durable: true })
    t.same(await opened.get(entry[0]), entry[1])
    t.equal(await opened.get(Buffer.from('none')), undefined)
    t.same(await opened.scan(), [entry])
    await opened.write([{ key: entry[0], value: undefined }], { durable: true })
    t.same(await opened.scan({ start: entry[0], limit: 3 }), [])
  })
  t.match(await lab('fuzz', '--store', STORE, '--seed', '1', '--lives', '1'), { status: 0 })
  if (skip !== false) return
  const asked = ['--depth', '2', '--seed', '1', '--states', '10', '--commits', '9']
  const cut = await lab('fuzz', ...asked, '--store', STORE)
  t.match(cut, { status: 0, out: /states: 10\n/ }, cut.out)
})

t.test('what is no frame ends the process', async (t) => {
  const ask = async (script: string): Promise<unknown> => {
    const path = join(t.testdir(), 'program.cjs')
    writeFileSync(path, script)
    const asked = new StoreProcess({ command: [process.execPath, path], format: MSGPACK_FRAMES })
    try {
      return await asked.ask({ do: 'hello', protocol: 1 })
    } finally {
      await asked.kill()
    }
  }
  const say = (hex: string): string =>
    `process.stdin.resume(); process.stdout.write(Buffer.from('${hex}', 'hex'))`
  await t.rejects(ask(say('7b7d0a00')), { message: /a frame of more than/ })
  await t.rejects(ask(say('0000000181')), { message: /no MessagePack: 81/ })
  await t.rejects(ask(say('00000002c0c0')), { message: /no MessagePack: c0c0/ })
  await t.rejects(ask(say('0000000581a2696409')), { message: /nobody has asked/ })
})
