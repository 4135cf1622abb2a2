/**
 * One measurement: requests from another process for some seconds, by wrk or by autocannon. wrk takes much less
 * CPU, which matters where the server has to share the cores with it; autocannon is a package and always there,
 * and rounds its latencies to milliseconds.
 */
import { execFile, spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Load, type Measured, SCATTER, SCATTER_MODULUS } from './workload.ts'

export type LoadTool = (origin: string, load: Load, seconds: number) => Promise<Measured>

const run = promisify(execFile)
const MAX_OUTPUT_BYTES = 2 ** 24

/** The path of `wrk`, if it is installed. */
export function findWrk(): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    try {
      const path = join(folder, 'wrk')
      accessSync(path, constants.X_OK)
      return path
    } catch {}
  }
  return undefined
}

/**
 * What to write before a driver's command that it is as near to another machine as one machine comes: on the last processor alone,
 * where it runs whenever it wakes up. Otherwise its tails are those of how the system places it: woken up on the processor of
 * the thread that answers, it waits for that one, a millisecond at a time, while who builds has the other processor.
 * Throws Error where the system does not allow it (Linux, util-linux, root).
 */
export function driverApart(): string[] {
  const command = ['taskset', '--cpu-list', String(availableParallelism() - 1), 'chrt', '--fifo', '1']
  const { status, stderr } = spawnSync(command[0]!, [...command.slice(1), 'true'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`a driver apart is not allowed here: ${stderr}`)
  return command
}

/** @param before What the command begins with. */
export function wrkLoad(wrk: string, before: readonly string[] = []): LoadTool {
  return async (origin, load, seconds) => {
    const folder = await mkdtemp(join(tmpdir(), 'davenport-wrk-'))
    try {
      const script = join(folder, 'load.lua')
      await writeFile(script, luaScript(load))
      const duration = `${Math.ceil(seconds)}s`
      const args = ['-t1', `-c${load.connections}`, `-d${duration}`, '--timeout', '30s', '-s', script, origin]
      const [program, ...rest] = [...before, wrk, ...args]
      const { stdout } = await run(program!, rest, { maxBuffer: MAX_OUTPUT_BYTES })
      return JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as Measured
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

export const autocannonLoad: LoadTool = async (origin, load, seconds) => {
  const program = fileURLToPath(new URL('./autocannon-load.js', import.meta.url))
  const child = run(process.execPath, [program], { maxBuffer: MAX_OUTPUT_BYTES })
  child.child.stdin!.end(JSON.stringify({ origin, load, seconds }))
  const { stdout } = await child
  return JSON.parse(stdout) as Measured
}

/** wrk where it is installed, or as is asked for. Throws Error. */
export function chosenTool(mustBeWrk: boolean, mustBeAutocannon: boolean): { name: string; load: LoadTool } {
  const wrk = mustBeAutocannon ? undefined : findWrk()
  if (wrk !== undefined) return { name: 'wrk', load: wrkLoad(wrk) }
  if (mustBeWrk) throw new Error('wrk is not installed')
  return { name: 'autocannon', load: autocannonLoad }
}

function luaScript(load: Load): string {
  const headers = Object.entries(load.headers).map(
    ([name, value]) => `wrk.headers[ ${lua(name)} ] = ${lua(value)}`,
  )
  const isNumbered = `${load.path} ${load.body}`.includes('{n}')
  return [
    ...headers,
    `wrk.method = ${lua(load.method)}`,
    load.body === undefined ? '' : `wrk.body = ${lua(load.body)}`,
    ...(isNumbered ? numbered(load) : oneRequest(load.path)),
    'done = function(summary, latency)',
    '  local e = summary.errors',
    '  io.write(string.format(',
    '    \'{"requests":%d,"seconds":%f,"p50Us":%d,"p99Us":%d,"errors":%d}\\n\',',
    '    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),',
    '    e.connect + e.read + e.write + e.status + e.timeout))',
    'end',
    '',
  ].join('\n')
}

function oneRequest(path: string): string[] {
  return [
    'local text',
    `init = function() text = wrk.format(nil, ${lua(path)}) end`,
    'request = function() return text end',
  ]
}

/** As long as a fresh number is, so that the length of a body is right around either. */
const PLACE = '@number@'

/** Of the texts of requests that are made before: those of some five seconds. Later ones are made when they are sent. */
const MADE_BYTES = 200_000_000

/**
 * Texts of requests are made before the measurement begins: what the driver does for a request is taken from the processors that the
 * server has.
 */
function numbered({ path, body, numbers }: Load): string[] {
  if (numbers.kind === 'fresh') {
    const [target, content] = [path, body].map((text) => text && lua(text.replaceAll('{n}', PLACE)))
    return [
      'local n = 0',
      'local parts = {}',
      'local made = {}',
      'local function make(number)',
      `  return table.concat(parts, string.format("%08x", number * ${SCATTER} % ${SCATTER_MODULUS}))`,
      'end',
      'init = function()',
      `  local text = wrk.format(nil, ${target}, nil, ${content ?? 'nil'})`,
      '  local from = 1',
      '  while true do',
      `    local first, last = text:find(${lua(PLACE)}, from, true)`,
      '    parts[#parts + 1] = text:sub(from, (first or #text + 1) - 1)',
      '    if first == nil then break end',
      '    from = last + 1',
      '  end',
      `  for number = 1, math.floor(${MADE_BYTES} / #text) do made[number] = make(number) end`,
      'end',
      'request = function()',
      '  n = n + 1',
      '  return made[n] or make(n)',
      'end',
    ]
  }
  const number = numbers.of === undefined ? 'i' : `string.format("%d", i * ${SCATTER} % ${numbers.of})`
  const request = `wrk.format(nil, ${filled(path, number)}, nil, ${body === undefined ? 'nil' : filled(body, number)})`
  return [
    'local n = 0',
    'local texts = {}',
    `init = function() for i = 0, ${numbers.count - 1} do texts[i] = ${request} end end`,
    'request = function()',
    `  n = (n + 1) % ${numbers.count}`,
    '  return texts[n]',
    'end',
  ]
}

/** Lua for a text with a number, which is Lua too. */
function filled(text: string, number: string): string {
  return text.split('{n}').map(lua).join(` .. ${number} .. `)
}

/** A string of Lua with any bytes in it. */
function lua(text: string): string {
  let level = '='
  while (text.includes(`]${level}]`)) level += '='
  return `[${level}[${text}]${level}]`
}
