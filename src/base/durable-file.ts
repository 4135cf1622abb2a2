/**
 * Small files and names that must survive a power cut: contents are synced before the rename that publishes
 * them, and a folder is synced after every change of its names, because a synced file whose name was lost is
 * lost.
 */
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { hasCode } from './node-error.ts'

/**
 * Runs `change`, which changes names in a folder, and makes them durable. The folder is opened first: where it cannot be,
 * nothing has been changed. Windows cannot sync folders and journals their names itself.
 */
export async function changeNames(folder: string, change: () => Promise<void>): Promise<void> {
  if (process.platform === 'win32') return change()
  const handle = await open(folder, 'r')
  try {
    await change()
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Makes the names in a folder durable. */
export function syncDirectory(path: string): Promise<void> {
  return changeNames(path, async () => {})
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
  await changeNames(dirname(path), () => rename(draft, path))
}

/** Removes a file, durably; no error when it is not there. */
export async function removeDurably(path: string): Promise<void> {
  await changeNames(dirname(path), () => rm(path, { force: true }))
}
