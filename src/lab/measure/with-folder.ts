import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Runs with a new folder below `parent` (default: the system's for temporary files), removed afterwards, also when
 * the run is broken off by SIGINT or SIGTERM.
 */
export async function withFolder(
  parent: string | undefined,
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const above = parent ?? tmpdir()
  await mkdir(above, { recursive: true })
  const folder = await mkdtemp(join(above, 'davenport-bench-'))
  const breakOff = (): void => {
    rmSync(folder, { recursive: true, force: true })
    process.exit(130)
  }
  process.once('SIGINT', breakOff).once('SIGTERM', breakOff)
  try {
    await run(folder)
  } finally {
    process.removeListener('SIGINT', breakOff).removeListener('SIGTERM', breakOff)
    await rm(folder, { recursive: true, force: true })
  }
}
