/** Records the system calls of a store's processes while lanes commit on it, and what it answered to which request. */
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Operation } from '../api.ts'
import { LaneRun } from '../crash/lane-run.ts'
import type { Lane } from '../crash/lanes.ts'
import { makeLanes } from '../crash/lanes.ts'
import { judgeStore } from '../crash/reading.ts'
import type { CrashSubject } from '../crash/subject.ts'
import { Wrong } from '../crash/verdict.ts'
import { LabError } from '../lab-error.ts'
import type { PipeFormat } from '../pipe/format.ts'
import { CallPlayer, TRACED_CALLS } from './call-player.ts'
import { findStrace } from './find-strace.ts'
import { PipeAnswers } from './pipe-answers.ts'
import { readTrace } from './strace.ts'

const LONGEST_STRING = 100_000_000

/** An answer that acknowledged something: a commit of a lane, or that the store was open. */
export interface Acknowledged {
  readonly id: number
  /** Undefined: the store was open. */
  readonly commit: { readonly lane: number; readonly number: number; readonly durable: boolean } | undefined
}

export interface Session {
  /** What strace wrote. */
  readonly trace: string
  readonly acknowledged: readonly Acknowledged[]
}

export interface Recording {
  readonly seed: number
  /** The folder that the store had, as the traces name it. */
  readonly folder: string
  readonly sessions: readonly Session[]
  /** What the store's processes spoke. */
  readonly format: PipeFormat
}

/** Sessions: closed, ended without a close, closed. */
const ENDINGS = ['close', 'end', 'close'] as const

/** Records in `place`, a folder. Rejects with LabError, and with Wrong for a store that goes wrong without a crash. */
export async function record(
  subject: CrashSubject,
  seed: number,
  commits: number,
  place: string,
): Promise<Recording> {
  const strace = findStrace()
  const folder = join(place, 'store')
  await mkdir(folder)
  const lanes = makeLanes(seed, subject.introduction.capabilities)
  const sessions: Session[] = []
  let shown = lanes.map(() => 0)
  for (const ending of ENDINGS) {
    const trace = join(place, `trace-${sessions.length + 1}.strace`)
    const options = ['-D', '-f', '-q', '-xx', '-s', String(LONGEST_STRING), '-o', trace]
    const session = new RecordedSession(subject, [
      strace,
      ...options,
      '-e',
      `trace=${TRACED_CALLS.join(',')}`,
    ])
    shown = await session.run(folder, lanes, shown, Math.ceil(commits / ENDINGS.length), ending)
    sessions.push({ trace: withoutReads(await readTrace(trace)), acknowledged: session.acknowledged })
  }
  const recording = { seed, folder, sessions, format: subject.format }
  await assertComplete(subject, recording)
  return recording
}

class RecordedSession {
  readonly acknowledged: Acknowledged[] = []
  readonly #subject: CrashSubject
  readonly #under: readonly string[]

  constructor(subject: CrashSubject, under: readonly string[]) {
    this.#subject = subject
    this.#under = under
  }

  async run(
    folder: string,
    lanes: readonly Lane[],
    shown: readonly number[],
    commits: number,
    ending: (typeof ENDINGS)[number],
  ): Promise<number[]> {
    const process = this.#subject.start(this.#under)
    try {
      this.acknowledged.push({ id: process.nextId, commit: undefined })
      const opened = await this.#subject.open(process, folder)
      const { capabilities } = this.#subject.introduction
      const known = shown.map((count) => ({ low: count, high: count }))
      await judgeStore(opened, capabilities, lanes, known)
      const run = new LaneRun(lanes, shown)
      const laneOf = new Map(lanes.map((lane, index) => [lane.name, index]))
      await run.run(
        {
          write: (operations: readonly Operation[], { durable }: { durable: boolean }) => {
            const lane = laneOf.get(String(operations[0]!.key).split('/', 1)[0]!)!
            this.acknowledged.push({
              id: process.nextId,
              commit: { lane, number: run.bounds[lane]!.high, durable },
            })
            return opened.write(operations, { durable })
          },
        },
        (acknowledged) => acknowledged < commits,
      )
      if (run.ending !== undefined) throw new Wrong('ended by itself', run.ending.message)
      if (ending === 'close') await opened.close()
      else await process.end()
      return run.bounds.map(({ high }) => high)
    } finally {
      await process.kill()
    }
  }
}

/** What was read is told by what was written; the program's own files would be most of the trace. */
function withoutReads(trace: string): string {
  return trace.replaceAll(/^(\d+ +(?:<\.\.\. )?readv?\b[^"\n]*)"[^"\n]*"/gm, '$1""')
}

/** Holds what the calls come to against the folder: whatever was written in another way is refused here. */
async function assertComplete(subject: CrashSubject, { folder, sessions, format }: Recording): Promise<void> {
  const rebuiltFiles = subject.introduction.rebuiltFiles ?? []
  const player = new CallPlayer({
    folder,
    rebuiltFiles,
    journalsNames: false,
    observer: new PipeAnswers(() => false, format),
  })
  for (const { trace } of sessions) for (const _ of player.play(trace));
  const made = player.tree.visibleFiles()
  const isKept = (path: string) => !rebuiltFiles.some((end) => path.endsWith(end))
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !isKept(path)) continue
    const file = made.get(path)
    if (file === undefined) throw new LabError(`the trace does not show how ${path} was made`)
    const { visible } = file.inode
    if (!(await readFile(path)).equals(visible.slice(0, visible.length))) {
      throw new LabError(`the trace does not show all that was written to ${path}`)
    }
    made.delete(path)
  }
  const missing = [...made.keys()].find(isKept)
  if (missing !== undefined) throw new LabError(`the trace does not show how ${missing} went`)
}
