/**
 * How far the stores that this thread has open for writing are durable, for readers of the same files in this thread: the
 * file itself tells of a commit's sync with the next group or superblock alone. Readers elsewhere sync the file (recovery.ts).
 * Files are known by their file system and path, and by their salt: a copy of a file has the salt but not the name.
 */
import { resolve } from 'node:path'
import type { FileSystem } from '../disk/file-system.ts'

interface Writing {
  readonly salt: bigint
  readonly durableEnd: number
}

const open = new WeakMap<FileSystem, Map<string, Writing>>()

/** From now on readers ask `writing`; returns what ends that. */
export function announce(fileSystem: FileSystem, path: string, writing: Writing): () => void {
  const files = open.get(fileSystem) ?? new Map<string, Writing>()
  open.set(fileSystem, files)
  const name = resolve(path)
  files.set(name, writing)
  return () => {
    if (files.get(name) === writing) files.delete(name)
  }
}

/** Undefined when this thread does not write the file. */
export function knownDurableEnd(fileSystem: FileSystem, path: string, salt: bigint): number | undefined {
  const writing = open.get(fileSystem)?.get(resolve(path))
  return writing?.salt === salt ? writing.durableEnd : undefined
}
