import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export interface Child {
  readonly process: ChildProcess
  readonly out: string
  readonly err: string
  /** Resolves when what was written to standard output (or error) matches; rejects when the process ends first. */
  until(pattern: RegExp, stream?: 'out' | 'err'): Promise<RegExpExecArray>
  /** Resolves with the exit status, null after a signal. */
  readonly ended: Promise<number | null>
}

export interface ChildLimits {
  /** Its working directory. */
  folder?: string | undefined
  /** Most files it may have open, set by `ulimit -n`. */
  openFiles?: number | undefined
  /** For node itself, before the program. */
  nodeFlags?: readonly string[] | undefined
  /** A program, by its absolute path, and its arguments, that is to run this one. */
  under?: readonly string[] | undefined
  /** Whether messages can be exchanged with it. */
  hasMessages?: boolean | undefined
}

/** Runs a compiled program of this folder. Its environment holds nothing but `environment`. */
export function startChild(
  program: string,
  args: readonly string[],
  environment: Record<string, string> = {},
  { folder, openFiles, nodeFlags = [], under = [], hasMessages = false }: ChildLimits = {},
): Child {
  const path = fileURLToPath(new URL(program, import.meta.url))
  const words = [...under, process.execPath, ...nodeFlags, path, ...args]
  if (openFiles !== undefined) words.unshift('/bin/sh', '-c', `ulimit -n ${openFiles} && exec "$@"`, 'sh')
  const child = spawn(words[0]!, words.slice(1), {
    env: environment,
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe', ...(hasMessages ? (['ipc'] as const) : [])],
  })
  const text = { out: '', err: '' }
  const waiting = new Set<() => void>()
  let over = false
  const wake = (): void => {
    for (const check of waiting) check()
  }
  for (const [name, stream] of [
    ['out', child.stdout!],
    ['err', child.stderr!],
  ] as const) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk
      wake()
    })
  }
  const ended = once(child, 'close').then(([status]) => {
    over = true
    wake()
    return status as number | null
  })
  return {
    process: child,
    get out() {
      return text.out
    },
    get err() {
      return text.err
    },
    ended,
    until(pattern, stream = 'out') {
      return new Promise((resolve, reject) => {
        const check = (): void => {
          const match = pattern.exec(text[stream])
          if (match === null && !over) return
          waiting.delete(check)
          if (match === null) reject(new Error(`ended without ${pattern}: ${text.out}${text.err}`))
          else resolve(match)
        }
        waiting.add(check)
        check()
      })
    },
  }
}
