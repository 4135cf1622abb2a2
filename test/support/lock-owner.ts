/**
 * A process that takes and gives up store locks as its parent says, over the IPC channel. Commands:
 * `acquire` (answers with the outcome), `release`, and `cycle`: take, mark the log, give up, again and again
 * until killed. An identity in the command replaces parts of the process's own.
 */
import { randomBytes } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { StorageError } from '../../native-free-btree/errors.ts'
import { currentProcess, type ProcessIdentity } from '../../native-free-btree/lock/identity.ts'
import { acquireLock, type StoreLock } from '../../native-free-btree/lock/lock.ts'

export interface OwnerCommand {
  readonly do: 'acquire' | 'release' | 'cycle'
  readonly path: string
  /** Of 'cycle': the file that gets an `in` and an `out` line for each ownership. */
  readonly log?: string
  readonly identity?: Partial<Pick<ProcessIdentity, 'bootId' | 'pidNamespace' | 'pid' | 'startTime'>>
}

export interface OwnerAnswer {
  readonly ready?: true
  readonly locked?: boolean
  readonly released?: true
  readonly code?: string
  readonly message?: string
  readonly details?: Record<string, unknown>
  readonly pid: number
}

const locks = new Map<string, StoreLock>()

function answer(fields: Omit<OwnerAnswer, 'pid'>): void {
  process.send?.({ ...fields, pid: process.pid } satisfies OwnerAnswer)
}

async function tryAcquire(path: string, identity: ProcessIdentity): Promise<StoreLock | StorageError> {
  try {
    return await acquireLock(path, identity)
  } catch (error) {
    if (error instanceof StorageError) return error
    throw error
  }
}

async function cycle(path: string, log: string, identity: ProcessIdentity): Promise<never> {
  for (;;) {
    const lock = await tryAcquire(path, identity)
    if (lock instanceof StorageError) {
      if (lock.code !== 'LOCKED') throw lock
      await new Promise((resolve) => setImmediate(resolve))
      continue
    }
    const mark = randomBytes(6).toString('hex')
    appendFileSync(log, `in ${mark}\n`)
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
    appendFileSync(log, `out ${mark}${lock.verify() ? '' : ' lost'}\n`)
    await lock.release()
  }
}

async function obey(command: OwnerCommand): Promise<void> {
  const { path } = command
  const identity = { ...currentProcess(), ...command.identity }
  if (command.do === 'cycle') await cycle(path, command.log ?? '', identity)
  if (command.do === 'release') {
    await locks.get(path)?.release()
    locks.delete(path)
    answer({ released: true })
    return
  }
  const lock = await tryAcquire(path, identity)
  if (lock instanceof StorageError) {
    answer({ locked: false, code: lock.code, message: lock.message, details: lock.details })
    return
  }
  locks.set(path, lock)
  answer({ locked: true })
}

process.on('message', (command: OwnerCommand) => {
  obey(command).catch((error) => answer({ code: 'CRASH', message: String(error?.stack ?? error) }))
})
answer({ ready: true })
