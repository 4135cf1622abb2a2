/**
 * Small files and names that must survive a power cut: contents are synced before the rename that publishes
 * them, and a folder is synced after every change of its names, because a synced file whose name was lost is
 * lost.
 */
import * as nodeFiles from 'node:fs/promises'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { hasCode } from './node-error.ts'

/** What a file is replaced through: the system's, unless a test gives another. */
export interface DurableFiles {
  open(path: string, flags: string, mode?: number): Promise<DurableHandle>
  rename(from: string, to: string): Promise<void>
  rm(path: string, options: { force: true }): Promise<void>
}

interface DurableHandle {
  writeFile(text: string): Promise<void>
  sync(): Promise<void>
  close(): Promise<void>
}

/**
 * Runs `change`, which changes names in a folder, and makes them durable. The folder is opened first: where it cannot be,
 * nothing has been changed. Windows cannot sync folders and journals their names itself.
 */
export async function changeNames(
  folder: string,
  change: () => Promise<void>,
  files: Pick<DurableFiles, 'open'> = nodeFiles,
): Promise<void> {
  if (process.platform === 'win32') return change()
  const handle = await files.open(folder, 'r')
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
export async function writeDurably(
  path: string,
  text: string,
  mode = 0o600,
  files: DurableFiles = nodeFiles,
): Promise<void> {
  const draft = `${path}.new`
  await files.rm(draft, { force: true })
  const handle = await files.open(draft, 'wx', mode)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await changeNames(dirname(path), () => files.rename(draft, path), files)
}

/** Removes a file, durably; no error when it is not there. */
export async function removeDurably(path: string): Promise<void> {
  await changeNames(dirname(path), () => rm(path, { force: true }))
}
