/** A folder of its own for a case with real files. It stays behind where the case failed, to be looked at. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function inDataFolder(play: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'davenport-fuzz-'))
  try {
    await play(folder)
  } catch (error) {
    throw new Error(`${(error as Error).message}\nthe files are kept in ${folder}`, { cause: error })
  }
  await rm(folder, { recursive: true, force: true })
}
