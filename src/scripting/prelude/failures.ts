import type { Builtins, Host, Loose } from './loose.ts'

export interface Failures {
  /** The name and the reason of what was thrown, as CouchDB's query server tells them. */
  describe(thrown: unknown): [error: string, reason: string]
  /** Whether a design function said an error's name and reason itself. */
  isNamed(thrown: unknown): boolean
  /** What an error is called in texts. */
  source(thrown: unknown): string
  /** Whether the engine threw it: its memory or its stack is at an end. */
  isExhausted(thrown: unknown): boolean
  /** For a member that may be no text. */
  textOf(value: unknown): string
}

/** `memory` is the host's operation that says by '1' whether the engine's memory may be at its end. */
export function makeFailures(
  { stringify, text, InternalError }: Builtins,
  host: Host,
  memory: number,
): Failures {
  function textOf(value: unknown): string {
    if (typeof value === 'string') return value
    const printed = stringify(value)
    return typeof printed === 'string' ? printed : text(value)
  }

  function source(thrown: unknown): string {
    if (thrown instanceof Error) return `${textOf(thrown.name)}: ${textOf(thrown.message)}`
    return textOf(thrown)
  }

  function isExhausted(thrown: unknown): boolean {
    try {
      // The engine throws null when there is no memory for an error; and so may anybody.
      return thrown === null ? host(memory, '') === '1' : thrown instanceof InternalError
    } catch {
      return thrown === null
    }
  }

  function isNamed(thrown: unknown): boolean {
    if (thrown === null || thrown === undefined) return false
    const { error, reason, 0: first } = thrown as Loose
    return Boolean(error && reason) || first === 'error' || first === 'fatal'
  }

  function describe(thrown: unknown): [string, string] {
    if (thrown === undefined || thrown === null) return ['unnamed_error', text(thrown)]
    const { 0: first, 1: second, 2: third, error, reason, name } = thrown as Loose
    if (typeof thrown === 'object' && (first === 'error' || first === 'fatal')) {
      return [textOf(second), textOf(third)]
    }
    if (error && reason) return [textOf(error), textOf(reason)]
    if (name) return [textOf(name), source(thrown)]
    return ['unnamed_error', source(thrown)]
  }

  return { describe, isNamed, source, isExhausted, textOf }
}
