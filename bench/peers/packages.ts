/**
 * The peers are native addons with a lock file of their own in bench/peers, so that neither the server nor its
 * tests ever install them.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PeerMissing } from './adapter.ts'

export const INSTALL_COMMAND = 'npm run peers'

/** The folder of the nearest package.json above the compiled file. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  return folder
}

export interface PeerPackage<T> {
  module: T
  version: string
}

/** Throws PeerMissing when the package is not installed, or its addon does not load here. */
export function loadPeer<T>(name: string): PeerPackage<T> {
  const folder = join(repositoryRoot(), 'bench', 'peers')
  const require = createRequire(join(folder, 'package.json'))
  try {
    const manifest = readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')
    return { module: require(name) as T, version: (JSON.parse(manifest) as { version: string }).version }
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new PeerMissing(`${name} is not installed (${INSTALL_COMMAND}): ${reason}`)
  }
}
