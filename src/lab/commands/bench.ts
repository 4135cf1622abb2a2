/** `davenport lab bench`. */
import { writeFile } from 'node:fs/promises'
import { reportHtml } from '../bench/report-html.ts'
import { reportText } from '../bench/report-text.ts'
import { type BenchOptions, runBench, stepsOf } from '../bench/run.ts'
import type { LabConsole, LabStatus } from '../console.ts'
import { LabError, messageOf } from '../lab-error.ts'
import { Progress } from '../measure/progress.ts'

export interface BenchOutputs {
  readonly json: string | undefined
  readonly html: string | undefined
}

/** 1 when something could not be measured that should have been. */
export async function bench(
  options: BenchOptions,
  { json, html }: BenchOutputs,
  console: LabConsole,
): Promise<LabStatus> {
  const write = (text: string): void => console.err(text)
  const progress = new Progress(stepsOf(options), { isTTY: process.stderr.isTTY, write })
  const file = await runBench(options, progress)
  progress.close()
  console.out(reportText(file))
  if (json !== undefined) await written(json, `${JSON.stringify(file)}\n`, console)
  if (html !== undefined) await written(html, reportHtml(file), console)
  return file.stores.some(({ failures }) => failures.length > 0) ? 1 : 0
}

async function written(path: string, text: string, console: LabConsole): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (error) {
    throw new LabError(`${path} cannot be written: ${messageOf(error)}`)
  }
  console.out(`written to ${path}\n`)
}
