/** What was found, as a file that `davenport lab replay` plays again. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LabError, messageOf } from '../lab-error.ts'
import type { DiskCase } from '../simulated/disk-lives.ts'
import type { StateCase } from '../syscalls/state-replay.ts'
import type { LivesCase } from './lives-search.ts'
import type { CrashSubject } from './subject.ts'

const FORMAT = 'davenport-lab-replay'

interface Found {
  readonly format: typeof FORMAT
  /** As behind `--store`. */
  readonly store: string
  readonly settings: Readonly<Record<string, string>>
  /** Name and version of the store that it was found with. */
  readonly name: string
  readonly wrong: string
}

export interface KillReplay extends Found {
  readonly depth: 1
  readonly case: LivesCase
}

export interface StateReplay extends Found {
  readonly depth: 2
  readonly case: StateCase
}

export interface DiskReplay extends Found {
  readonly depth: 3
  readonly case: DiskCase
}

export type Replay = KillReplay | StateReplay | DiskReplay

export function killReplay(subject: CrashSubject, case_: LivesCase, wrong: string): KillReplay {
  const { words: store, settings, name } = subject
  return { format: FORMAT, depth: 1, store, settings, name, wrong, case: case_ }
}

export function stateReplay(subject: CrashSubject, case_: StateCase, wrong: string): StateReplay {
  const { words: store, settings, name } = subject
  return { format: FORMAT, depth: 2, store, settings, name, wrong, case: case_ }
}

export function diskReplay(subject: CrashSubject, case_: DiskCase, wrong: string): DiskReplay {
  const { words: store, settings, name } = subject
  return { format: FORMAT, depth: 3, store, settings, name, wrong, case: case_ }
}

/** Writes it into `folder` and returns the path. */
export async function writeReplay(folder: string, name: string, replay: Replay): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${name.replaceAll(/[^A-Za-z0-9.]+/g, '-')}.json`)
  await writeFile(path, `${JSON.stringify(replay, undefined, 1)}\n`)
  return path
}

/** Throws LabError for a file that is none. */
export async function readReplay(path: string): Promise<Replay> {
  let found: Partial<Replay>
  try {
    found = JSON.parse(await readFile(path, 'utf8')) as Partial<Replay>
  } catch (error) {
    throw new LabError(`${path} cannot be read: ${messageOf(error)}`)
  }
  if (found?.format !== FORMAT) throw new LabError(`${path} is no replay of the lab's`)
  return found as Replay
}
