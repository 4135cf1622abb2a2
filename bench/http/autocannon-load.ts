/** A program: reads one measurement from standard input, does it with autocannon, prints what came of it. */
import { text } from 'node:stream/consumers'
import autocannon from 'autocannon'
import { type Load, type Measured, SCATTER, SCATTER_MODULUS } from './workload.ts'

const { origin, load, seconds } = JSON.parse(await text(process.stdin)) as {
  origin: string
  load: Load
  seconds: number
}
const { method, path, body, headers, connections, numbers } = load
let number = 0

function nextNumber(): string {
  number += 1
  if (numbers.kind === 'fresh') return ((number * SCATTER) % SCATTER_MODULUS).toString(16).padStart(8, '0')
  const at = number % numbers.count
  return String(numbers.of === undefined ? at : (at * SCATTER) % numbers.of)
}

function withNumber(request: { path?: string | undefined }): typeof request {
  const shown = nextNumber()
  const numbered = body?.includes('{n}') ? { body: body.replace('{n}', shown) } : {}
  return { ...request, path: path.replace('{n}', shown), ...numbered }
}

const result = await autocannon({
  url: origin,
  connections,
  duration: seconds,
  timeout: 30,
  headers,
  requests: [
    {
      method: method as 'GET',
      ...(body === undefined ? {} : { body: body.replace('{n}', '0') }),
      path: path.replace('{n}', '0'),
      ...(`${path} ${body}`.includes('{n}') ? { setupRequest: withNumber } : {}),
    },
  ],
})
const measured: Measured = {
  requests: result.requests.total,
  seconds: result.duration,
  p50Us: result.latency.p50 * 1000,
  p99Us: result.latency.p99 * 1000,
  errors: result.errors + result.non2xx,
}
process.stdout.write(JSON.stringify(measured))
