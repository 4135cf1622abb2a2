import type { Console } from './parts.ts'

const STOP_SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** The running process. */
export function processConsole(): Console {
  // Whoever read them may end first (`davenport serve | head -1`): what is written then is lost, the process is not.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
  return {
    environment: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    errIsTerminal: process.stderr.isTTY === true,
    onStopSignal(listener) {
      for (const signal of STOP_SIGNALS) process.on(signal, listener)
      return () => {
        for (const signal of STOP_SIGNALS) process.off(signal, listener)
      }
    },
    onHangUp(listener) {
      // It tells of the end of the terminal where there is one, and the process ends with it.
      if (process.stdin.isTTY) return () => undefined
      process.on('SIGHUP', listener)
      return () => void process.off('SIGHUP', listener)
    },
    exit: (status) => process.exit(status),
  }
}
