/** A state that a power cut may leave, taken out of the tree: it stays as it is while the trace is played on. */
import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Bounds } from '../crash/verdict.ts'
import { PAGE_SIZE, type SparseImage } from '../disk/sparse-image.ts'
import { type Choice, foldersOf, type Model, stateOf } from './models.ts'
import type { TracedTree } from './traced-tree.ts'

/** Of pages that images share: whoever writes to one of them copies it first. */
const digests = new WeakMap<Uint8Array, string>()

/** All paths are relative to the store's folder. */
export interface BuiltState {
  /** Each before those in it. */
  readonly folders: readonly string[]
  readonly files: readonly (readonly [path: string, image: SparseImage])[]
}

/** `fates` has to be legal. Files that the store makes anew are left out. */
export function buildState(
  tree: TracedTree,
  model: Model,
  fates: Choice,
  rebuiltFiles: readonly string[],
): BuiltState {
  const relative = (path: string) => path.slice(tree.root.path.length + 1)
  const files: [string, SparseImage][] = []
  for (const [path, { image }] of stateOf(tree, model, fates)) {
    if (!rebuiltFiles.some((end) => path.endsWith(end))) files.push([relative(path), image])
  }
  return { folders: foldersOf(tree, fates).map(relative), files }
}

function digestOfPage(page: Uint8Array | undefined): string {
  if (page === undefined) return ''
  let digest = digests.get(page)
  if (digest === undefined) {
    // A page of zeros is the same as none.
    digest = page.some((byte) => byte !== 0) ? createHash('sha1').update(page).digest('base64') : ''
    digests.set(page, digest)
  }
  return digest
}

/** The same for states that a store and its checker cannot tell apart. */
export function digestOf({ folders, files }: BuiltState, bounds: readonly Bounds[]): string {
  const hash = createHash('sha1').update(`${folders.join('\0')}\0`)
  for (const [path, image] of files) {
    const pages = Array.from({ length: Math.ceil(image.length / PAGE_SIZE) }, (_, page) =>
      digestOfPage(image.page(page)),
    )
    hash.update(`${path}\0${image.length}\0${pages.join('\0')}\0`)
  }
  return hash.update(bounds.map(({ low, high }) => `${low},${high}`).join()).digest('base64')
}

/** Writes a state into a new folder. */
export function layState({ folders, files }: BuiltState, folder: string): void {
  mkdirSync(folder)
  for (const path of folders) mkdirSync(join(folder, path))
  for (const [path, image] of files) {
    const place = join(folder, path)
    mkdirSync(dirname(place), { recursive: true })
    writeFileSync(place, image.slice(0, image.length))
  }
}
