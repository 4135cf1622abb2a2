/**
 * Small files and names that must survive a power cut: contents are synced before the rename that publishes
 * them, and a folder is synced after every change of its names, because a synced file whose name was lost is
 * lost.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { hasCode } from './node-error.ts'

/** Makes the names in a folder durable. Windows cannot sync folders and journals their names itself. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes a folder and whatever parents it lacks, each durable in its own parent. */
export async function makeDirectory(path: string, mode = 0o700): Promise<void> {
  const target = resolve(path)
  try {
    await mkdir(target, { mode })
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return
    if (!hasCode(error, 'ENOENT') || dirname(target) === target) throw error
    await makeDirectory(dirname(target), mode)
    await makeDirectory(target, mode)
    return
  }
  await syncDirectory(dirname(target))
}

/** Replaces a file's contents: afterwards, and after any crash, the name holds the old text or the new. */
export async function writeDurably(path: string, text: string, mode = 0o600): Promise<void> {
  const draft = `${path}.new`
  await rm(draft, { force: true })
  const handle = await open(draft, 'wx', mode)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(draft, path)
  await syncDirectory(dirname(path))
}

/** Removes a file, durably; no error when it is not there. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true })
  await syncDirectory(dirname(path))
}
