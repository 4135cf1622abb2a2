import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mediaTypeOf } from './media-types.ts'

/** What is in memory of a file that is being sent, for each client. */
const CHUNK_BYTES = 64 * 1024

/** One file that browsers load, as it was when it was looked up. */
export interface WebFile {
  readonly type: string
  readonly length: number
  /** Of its content, with quotes. */
  readonly etag: string
  readonly modifiedMs: number
  /** Rejects where the file has become shorter meanwhile. */
  bytes(): AsyncGenerator<Uint8Array, void>
}

interface Tagged {
  readonly length: number
  readonly modifiedMs: number
  readonly etag: string
}

/**
 * A folder of files that browsers load. What is not found by reading the folder is not there: no path of a request is ever
 * given to the file system, so none leads out of the folder.
 */
export class WebFolder {
  readonly #folder: string
  /** Paths in the file system by paths from the folder, with `/`. Undefined until the folder was found. */
  #paths: ReadonlyMap<string, string> | undefined
  readonly #tags = new Map<string, Tagged>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** False where the folder has no such file at the moment, as before it was fetched. */
  async has(path: string): Promise<boolean> {
    return (await this.#known()).has(path)
  }

  /** Undefined for a file that is not there. `path` has `/` between its parts. */
  async find(path: string): Promise<WebFile | undefined> {
    const place = (await this.#known()).get(path)
    if (place === undefined) return undefined
    const found = await stat(place).catch(() => undefined)
    if (found === undefined) return undefined
    const { size: length, mtimeMs: modifiedMs } = found
    const etag = await this.#tagOf(place, length, modifiedMs)
    return { type: mediaTypeOf(path), length, etag, modifiedMs, bytes: () => bytesOf(place, length) }
  }

  async #known(): Promise<ReadonlyMap<string, string>> {
    if (this.#paths !== undefined) return this.#paths
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true }).catch(() => [])
    const paths = new Map<string, string>()
    for (const entry of entries) {
      if (!entry.isFile() || entry.name.startsWith('.')) continue
      const place = join(entry.parentPath, entry.name)
      paths.set(place.slice(this.#folder.length + 1).replaceAll(sep, '/'), place)
    }
    // It may be put there while the server runs.
    if (paths.size > 0) this.#paths = paths
    return paths
  }

  async #tagOf(place: string, length: number, modifiedMs: number): Promise<string> {
    const known = this.#tags.get(place)
    if (known?.length === length && known.modifiedMs === modifiedMs) return known.etag
    const hash = createHash('sha256')
    for await (const chunk of bytesOf(place, length)) hash.update(chunk)
    const etag = `"${hash.digest('base64url').slice(0, 22)}"`
    this.#tags.set(place, { length, modifiedMs, etag })
    return etag
  }
}

/** `length` bytes of a file, which is open while they are read. */
async function* bytesOf(place: string, length: number): AsyncGenerator<Uint8Array, void> {
  let file: FileHandle | undefined
  try {
    file = await open(place, 'r')
    for (let at = 0; at < length; ) {
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - at))
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) throw new Error(`${place} has become shorter`)
      yield chunk.subarray(0, bytesRead)
      at += bytesRead
    }
  } finally {
    await file?.close()
  }
}

/** Of `dist/web/`, where the build puts them. */
export function builtFolder(name: string): WebFolder {
  return new WebFolder(fileURLToPath(new URL(`../../web/${name}`, import.meta.url)))
}
