import { emitKeypressEvents } from 'node:readline'
import type { Terminal } from './browser.ts'

/** Keys that nobody has asked for yet; who types more than that ahead loses it. */
const MOST_AHEAD = 64

/** Of a terminal that does not tell its size. */
const USUAL_ROWS = 24
const USUAL_COLUMNS = 80

/** The process's own terminal, until `end`; undefined where it has none on both sides. */
export function processTerminal(): (Terminal & { end(): void }) | undefined {
  const { stdin, stdout } = process
  if (!stdin.isTTY || !stdout.isTTY) return undefined
  const ahead: (string | undefined)[] = []
  let waiting: ((key: string | undefined) => void) | undefined
  const give = (key: string | undefined): void => {
    if (waiting !== undefined) {
      waiting(key)
      waiting = undefined
    } else if (ahead.length < MOST_AHEAD) ahead.push(key)
  }
  const onKey = (_text: string | undefined, key: { name?: string; ctrl?: boolean }): void =>
    give(key.ctrl === true && key.name === 'c' ? undefined : (key.name ?? ''))
  const onEnd = (): void => give(undefined)
  emitKeypressEvents(stdin)
  stdin.setRawMode(true)
  stdin.on('keypress', onKey).on('end', onEnd).resume()
  return {
    get rows() {
      return stdout.rows || USUAL_ROWS
    },
    get columns() {
      return stdout.columns || USUAL_COLUMNS
    },
    write: (text) => void stdout.write(text),
    key: () =>
      ahead.length > 0
        ? Promise.resolve(ahead.shift())
        : new Promise((resolve) => {
            waiting = resolve
          }),
    end() {
      stdin.off('keypress', onKey).off('end', onEnd).pause()
      stdin.setRawMode(false)
    },
  }
}
