/** Where benchmarks leave their figures: `bench/results/NAME-TIME.json` under the working directory. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../src/base/clock.ts'
import { type Machine, machine } from './machine.ts'

const FOLDER = join('bench', 'results')

/** Returns the file's path. */
export async function writeResult(name: string, figures: object, on: Machine = machine()): Promise<string> {
  const time = new Date(systemClock.now()).toISOString()
  const path = join(FOLDER, `${name}-${time.slice(0, 19).replaceAll(':', '')}.json`)
  await mkdir(FOLDER, { recursive: true })
  await writeFile(path, `${JSON.stringify({ name, time, machine: on, ...figures }, undefined, 2)}\n`)
  return path
}
