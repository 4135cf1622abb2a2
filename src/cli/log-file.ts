/**
 * The file that the log is appended to. What holds:
 * - Lines of one turn of the event loop are written in one go at its end, or as the process ends; a file that does not take
 *   them loses them, and says so elsewhere once until it takes some again. The server goes on.
 * - `reopen` goes on in the file that has the name then: whoever renames the file, as rotations do, loses no line.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { describeError } from '../base/log.ts'
import { ConfigError } from '../config/ini.ts'
import { explain } from './system-error.ts'

/** Lines name users and addresses: others need not read them. */
const MODE = 0o640
/** Of lines that wait for the end of the turn. */
const MAX_WAITING_LENGTH = 256 * 1024

export class LogFile {
  readonly #path: string
  readonly #complain: (text: string) => void
  #fd: number
  #waiting = ''
  #isFailing = false
  readonly #flush = (): void => this.flush()

  private constructor(path: string, fd: number, complain: (text: string) => void) {
    this.#path = path
    this.#fd = fd
    this.#complain = complain
    process.on('exit', this.#flush)
  }

  /** Throws ConfigError. `complain` is given what is wrong with the file later. */
  static open(path: string, complain: (text: string) => void): LogFile {
    try {
      return new LogFile(path, openSync(path, 'a', MODE), complain)
    } catch (error) {
      throw new ConfigError(`[log] file: ${explain(error)}`)
    }
  }

  /** Takes a line, its line break included. */
  write(line: string): void {
    if (this.#waiting === '') setImmediate(this.#flush)
    this.#waiting += line
    if (this.#waiting.length > MAX_WAITING_LENGTH) this.flush()
  }

  /** What was taken is the operating system's. */
  flush(): void {
    if (this.#waiting === '') return
    const bytes = Buffer.from(this.#waiting, 'utf8')
    this.#waiting = ''
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#fd, bytes, written)
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) this.#complain(`davenport: lines of the log are lost: ${describeError(error)}\n`)
      this.#isFailing = true
    }
  }

  reopen(): void {
    this.flush()
    try {
      const fd = openSync(this.#path, 'a', MODE)
      closeSync(this.#fd)
      this.#fd = fd
    } catch (error) {
      this.#complain(`davenport: the log was not opened anew: ${explain(error)}\n`)
    }
  }

  close(): void {
    this.flush()
    process.off('exit', this.#flush)
    closeSync(this.#fd)
  }
}
