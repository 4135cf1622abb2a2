/**
 * The only door to the disk. Everything the engine reads or writes goes through these two interfaces, so
 * that a simulated disk can lose, tear, reorder and corrupt whatever was not synced.
 *
 * What an implementation must hold:
 * - `write` either writes every byte or throws; after a throw any part of the range may have changed.
 * - Bytes are durable only once a `sync` that began after their `write` resolved has itself resolved.
 * - After a failed `sync` nothing may be assumed of the bytes written since the last good one.
 * - A name is durable (created, renamed, removed) only after `syncDirectory` of the folder that holds it.
 * - A call that could not be begun (no descriptor, no permission) changes nothing and may be tried again. Only a sync
 *   that was begun and failed leaves in doubt what was done before it: `sync` rejects for no other reason, and
 *   `syncDirectory` tells that one by its code, SYNC_FAILED.
 */
export interface StorageFile {
  /** The path the file was opened by. */
  readonly path: string
  /** Length of the file in bytes, now. */
  size(): number
  /** Whether `path` leads to this very file: false once it was removed, renamed, or another file put in its place. */
  isAt(path: string): boolean
  /** Fills `target` from `position`; returns the bytes read, fewer than asked only at the end of the file. */
  readSync(target: Uint8Array, position: number): number
  /** As `readSync`, off the event loop. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Writes all of `source` at `position`, growing the file when it must. */
  write(source: Uint8Array, position: number): Promise<void>
  /** `fdatasync`: resolves when all bytes written before the call are on stable storage. */
  sync(): Promise<void>
  /** Cuts or zero-extends the file to `length` bytes. Durable after the next `sync`. */
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

export type OpenMode = 'read' | 'write' | 'create'

export interface FileSystem {
  /**
   * Opens a file: 'read' for reading only, 'write' for an existing file, 'create' for a new one (throws an
   * error with code 'EEXIST' when the name is taken). A missing file throws an error with code 'ENOENT'.
   */
  open(path: string, mode: OpenMode): Promise<StorageFile>
  exists(path: string): Promise<boolean>
  /** Renames, replacing what `to` named. */
  rename(from: string, to: string): Promise<void>
  /** Removes a file; no error when it is already gone. */
  remove(path: string): Promise<void>
  /** Makes the names in a folder durable. Throws SYNC_FAILED; any other error: it was not begun. */
  syncDirectory(path: string): Promise<void>
}
