/**
 * A store in a process of its own that speaks MessagePack: file-log.mjs behind frames. Each is a length of 4 bytes, big
 * end first, and one map. `davenport lab check --store "msgpack:node msgpack_store.mjs"`
 */
import { writeSync } from 'node:fs'
import { pack, unpack } from 'msgpackr/pack'
import store from './file-log.mjs'

let opened

const does = {
  hello: () => ({ name: 'msgpack-log', version: '1', capabilities: store.capabilities }),
  open: ({ folder, settings }) => {
    opened = store.open(folder, { settings })
    return { scan: true }
  },
  commit: ({ ops, durable }) => {
    const operations = ops.map(([, key, value]) => ({ key, value }))
    opened.commit(operations, { durable })
    return {}
  },
  get: ({ key }) => ({ value: opened.get(key) ?? null }),
  scan: ({ start, limit }) => ({ entries: [...opened.scan({ start, limit })] }),
  close: () => {
    opened.close()
    return {}
  },
}

function answer({ id, ...request }) {
  try {
    return { id, ok: true, ...does[request.do](request) }
  } catch (error) {
    return { id, error: String(error) }
  }
}

/** All of it, before the next request is looked at: what was answered has been done. */
function write(bytes) {
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done)
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error
    }
  }
}

let rest = Buffer.alloc(0)
for await (const chunk of process.stdin) {
  rest = Buffer.concat([rest, chunk])
  while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE()) {
    const end = 4 + rest.readUInt32BE()
    const said = pack(answer(unpack(rest.subarray(4, end))))
    rest = rest.subarray(end)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(said.length)
    write(Buffer.concat([length, said]))
  }
}
