/** The room of design functions, for tests. */
import { systemClock } from '../../src/base/clock.ts'
import { Design } from '../../src/scripting/design.ts'
import { visitRows } from '../../src/scripting/rows.ts'
import { ScriptError } from '../../src/scripting/script-error.ts'
import { type SandboxKind, Scripting, type ScriptingOptions } from '../../src/scripting/scripting.ts'

/** What runs the functions of a test file: it is run once more for the other sandbox, by a file that says so before. */
export const SANDBOX: SandboxKind = process.env['DAVENPORT_TEST_SANDBOX'] === 'v8' ? 'v8' : 'quickjs'

export function scripting(options: Partial<ScriptingOptions> = {}): Scripting {
  return new Scripting({ clock: systemClock, sandbox: SANDBOX, ...options })
}

export function designOf(members: object, owner = 'db'): Design {
  return new Design(Buffer.from(JSON.stringify(members)), owner)
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

export type Row = [key: unknown, value: unknown]

/** The rows of each document, of each view. */
export function rowsOf(bytes: Buffer, documents: number, views: number): Row[][][] {
  const rows: Row[][][] = Array.from({ length: documents }, () => Array.from({ length: views }, () => []))
  const read = (start: number, end: number): unknown => JSON.parse(bytes.toString('utf8', start, end))
  visitRows(bytes, views, {
    row(document, view, keyStart, keyEnd, valueStart, valueEnd) {
      rows[document]![view]!.push([read(keyStart, keyEnd), read(valueStart, valueEnd)])
    },
  })
  return rows
}

/** What a call came to: its result, or `{kind, error, reason}`. */
export async function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error
    const { kind, error: name, reason } = error
    return { kind, error: name, reason }
  }
}
