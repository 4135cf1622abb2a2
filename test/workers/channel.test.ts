/** The line between two threads, both ends in one. */
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads'
import t from 'tap'
import { DatabaseError } from '../../src/base/errors.ts'
import { Channel, WithBytes } from '../../src/workers/channel.ts'
import { until } from '../support/until.ts'

interface Calls {
  double: { args: { n: number }; result: number }
  echo: { args: undefined; result: undefined }
  mark: { args: number; result: undefined }
  refuse: { args: { kind: 'conflict' | 'defect' }; result: undefined }
  wait: { args: undefined; result: string }
  hurry: { args: { text: string; fails: boolean }; result: undefined }
}

interface Notices {
  heard: { text: string }
}

interface Asked {
  calls: Calls
  notices: Notices
}

interface Silent {
  calls: Record<never, never>
  notices: Record<never, never>
}

function line({ port1, port2 } = new MessageChannel()) {
  const heard: string[] = []
  let batches = 0
  port2.on('message', () => {
    batches += 1
  })
  let gone = 0
  const server = new Channel<Asked, Silent>({
    port: port2,
    handlers: {
      double: ({ n }) => n * 2,
      echo: (_args, { bytes }) => new WithBytes(new Uint8Array(bytes)),
      mark: async (number, { lent, bytes }) => {
        if (number === 3) throw new TypeError('a defect')
        if (number % 2 === 1) await new Promise((resolve) => setImmediate(resolve))
        lent!.fill(number)
        return new WithBytes(new Uint8Array(bytes), lent)
      },
      refuse: async ({ kind }) => {
        if (kind === 'conflict') throw new DatabaseError('conflict', 'twice', { headers: { 'x-a': '1' } })
        throw new TypeError('a defect')
      },
      hurry: async ({ text, fails }, request) => {
        const { lent } = request
        await undefined
        request.answer(new WithBytes(Buffer.from(text), lent))
        request.answer(new WithBytes(Buffer.from('again')))
        const hasGone = lent!.length === 0
        await new Promise((resolve) => setImmediate(resolve))
        if (fails) throw new TypeError('a defect')
        return new WithBytes(Buffer.from(`late, ${hasGone}`))
      },
      wait: (_args, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            gone += 1
            resolve('nobody waits')
          })
        }),
    },
    listeners: { heard: ({ text }) => heard.push(text) },
  })
  const client = new Channel<Silent, Asked>({ port: port1, handlers: {}, listeners: {} })
  return { client, server, heard, batches: () => batches, gone: () => gone }
}

t.test('calls, answers and notices, in their order', async (t) => {
  const { client, server, heard } = line()
  client.tell('heard', { text: 'first' })
  const answers = await Promise.all([1, 2, 3].map((n) => client.ask('double', { n })))
  t.same(answers, [2, 4, 6])
  t.same(heard, ['first'])
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('bytes go with their own call, and many calls of one turn are one message', async (t) => {
  const { client, server, batches } = line()
  const texts = Array.from({ length: 50 }, (_, at) => `${at}-`.repeat(at))
  const answers = await Promise.all(
    texts.map((text) => client.call('echo', undefined, { bytes: Buffer.from(text) })),
  )
  t.same(
    answers.map(({ bytes }) => Buffer.from(bytes ?? []).toString()),
    texts,
  )
  t.ok(batches() < 10, `${batches()} messages`)
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('bytes of messages long and short stay what they were when they were said', async (t) => {
  const { client, server } = line()
  const lengths = [1, 20_000, 3, 300_000, 100, 1_200_000, 17, 40_000, 39_000, 90_000, 0, 5]
  const asked: Promise<unknown>[] = []
  for (const [at, length] of lengths.entries()) {
    const scratch = new Uint8Array(length).fill(at + 1)
    const answer = client.call('echo', undefined, { bytes: scratch })
    scratch.fill(255)
    asked.push(
      answer.then(({ bytes = new Uint8Array(0) }) =>
        t.strictSame(Buffer.from(bytes), Buffer.alloc(length, at + 1)),
      ),
    )
    if (at % 3 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(asked)
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('memory that is lent goes with its own call and comes back with its answer', async (t) => {
  const { client, server, batches } = line()
  const before: Uint8Array[] = []
  const asked = Array.from({ length: 8 }, (_, at) => {
    const memory = new Uint8Array(1000 * (at + 1)).subarray(10)
    before.push(memory)
    const bytes = at % 3 === 0 ? Buffer.from(`with ${at}`) : undefined
    return client.call('mark', at, { lent: memory, bytes })
  })
  const others = [1, 2, 3].map((n) => client.ask('double', { n }))
  const answers = await Promise.allSettled(asked)
  for (const [at, answer] of answers.entries()) {
    t.equal(before[at]!.length, 0, 'nobody here has it meanwhile')
    if (answer.status === 'rejected') {
      t.equal(at, 3)
      continue
    }
    const { lent, bytes } = answer.value
    t.equal(lent!.length, 1000 * (at + 1) - 10)
    t.ok(
      lent!.every((byte) => byte === at),
      `the memory of call ${at}`,
    )
    t.equal(Buffer.from(bytes ?? []).toString(), at % 3 === 0 ? `with ${at}` : '')
  }
  t.same(await Promise.all(others), [2, 4, 6])
  t.ok(batches() < 8)
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('who answers while his handler runs has answered, once and at once', async (t) => {
  const { port1, port2 } = new MessageChannel()
  const { client, server } = line({ port1, port2 })
  let messages = 0
  port1.on('message', () => {
    messages += 1
  })
  const asked = [false, true, false].map((fails, at) => {
    const lent = new Uint8Array(10).fill(at)
    return client.call('hurry', { text: `early ${at}`, fails }, { lent })
  })
  const other = client.ask('double', { n: 4 })
  for (const [at, { bytes, lent }] of (await Promise.all(asked)).entries()) {
    t.equal(Buffer.from(bytes!).toString(), `early ${at}`)
    t.same([...lent!], new Array(10).fill(at), 'with the memory that was lent')
  }
  t.equal(await other, 8)
  t.equal(messages, 4, 'each went by itself, behind what was said before')
  t.equal(await client.ask('double', { n: 5 }), 10, 'and what is said later goes as ever')
  t.equal(messages, 5, 'nothing was said of what came too late')
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('methods and names are told once', async (t) => {
  const { port1, port2 } = new MessageChannel()
  const received: { names: unknown }[] = []
  port2.on('message', (message) => received.push(message))
  const { client, server, heard } = line({ port1, port2 })
  for (const text of ['a', 'b']) {
    client.tell('heard', { text })
    t.equal(await client.ask('double', { n: 1 }), 2)
  }
  t.same(heard, ['a', 'b'])
  t.same(
    received.map(({ names }) => names),
    [['heard', 'double'], undefined],
  )
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('who puts together what several say is asked for it when the message goes', async (t) => {
  const { client, server, heard, batches } = line()
  const answers: Promise<number>[] = []
  let joined = 0
  const join = (): void => {
    joined += 1
    const isFirst = joined === 1
    const say = (): void => {
      const answer = client.ask('double', { n: joined }, { callers: joined })
      answer.catch(() => undefined)
      answers.push(answer)
    }
    client.join(isFirst ? say : undefined)
  }
  client.tell('heard', { text: 'before' })
  join()
  join()
  t.equal(answers.length, 0)
  t.equal(client.waiting, 0)
  await until('the message has gone', () => answers.length > 0)
  t.equal(await answers[0], 4)
  t.equal(client.waiting, 0)
  t.same(heard, ['before'])
  t.equal(batches(), 1)

  const waiting = client.ask('wait', undefined, { callers: 3 })
  waiting.catch(() => undefined)
  await until('the call has gone', () => batches() === 2)
  joined = 0
  for (let n = 0; n < 23; n++) join()
  t.equal(answers.length, 1, 'they wait for more')
  join()
  t.equal(answers.length, 2, 'so many wait no longer')
  t.equal(await answers[1], 48)

  joined = 0
  join()
  client.end(new Error('over'))
  await until('it is asked all the same', () => answers.length > 2)
  t.match(await Promise.allSettled([waiting, answers[2]]), [{ reason: /over/ }, { reason: /over/ }])
  t.equal(client.waiting, 0)
  server.end(new Error('over'))
})

t.test('while others wait, a long message goes before the turn ends', async (t) => {
  const { port1, port2 } = new MessageChannel()
  const received = () => receiveMessageOnPort(port2) !== undefined
  const client = new Channel<Silent, Asked>({ port: port1, handlers: {}, listeners: {} })
  const asked: Promise<unknown>[] = []
  const ask = (count: number): void => {
    for (let n = 0; n < count; n++) asked.push(client.ask('double', { n }))
  }
  ask(3)
  await new Promise((resolve) => setImmediate(resolve))
  t.ok(received(), 'who was the first')
  ask(10)
  t.notOk(received(), 'a short one waits for more')
  ask(30)
  t.ok(received(), 'a long one waits for nobody')
  await until('the rest goes', received)
  t.notOk(received(), 'and what was said behind it is another')
  client.end(new Error('over'))
  await Promise.allSettled(asked)
})

t.test('errors keep their place in the table; a defect keeps its text', async (t) => {
  const { client, server } = line()
  const error = await client.ask('refuse', { kind: 'conflict' }).catch((reason: unknown) => reason)
  t.ok(error instanceof DatabaseError)
  t.match(error, { kind: 'conflict', reason: 'twice', headers: { 'x-a': '1' } })
  await t.rejects(client.ask('refuse', { kind: 'defect' }), { message: 'a defect' })
  const unknown = client as unknown as { ask(method: string, args: unknown): Promise<unknown> }
  await t.rejects(unknown.ask('nothing', undefined), /no call nothing/)
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('who has gone is heard of, before the call began and while it runs', async (t) => {
  const { client, server, gone } = line()
  const leaving = new AbortController()
  const waiting = client.ask('wait', undefined, { signal: leaving.signal })
  leaving.abort()
  t.equal(await waiting, 'nobody waits')
  t.equal(await client.ask('wait', undefined, { signal: leaving.signal }), 'nobody waits')
  t.equal(gone(), 2)
  client.end(new Error('over'))
  server.end(new Error('over'))
})

t.test('a line that ends answers everybody, and tells those who are at work', async (t) => {
  const { client, server, gone } = line()
  const waiting = client.ask('wait', undefined)
  waiting.catch(() => undefined)
  await client.ask('double', { n: 1 })
  client.end(new Error('this end has gone'))
  await t.rejects(waiting, /this end has gone/)
  await t.rejects(client.ask('double', { n: 1 }), /this end has gone/)
  server.end(new Error('so has the other'))
  await until('the one at work has heard it', () => gone() === 1)
  t.equal(client.waiting, 0)
})
