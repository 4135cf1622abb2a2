/**
 * The peers are native addons that neither the server nor its tests ever install. They are looked for where whoever
 * runs the lab has them, from the working folder upwards, and then in the checkout's bench/peers, which has a lock file
 * of its own.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { messageOf } from '../lab-error.ts'
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
  const checkout = join(repositoryRoot(), 'bench', 'peers')
  const isCheckout = existsSync(join(checkout, 'package.json'))
  const homes = isCheckout ? [process.cwd(), checkout] : [process.cwd()]
  const home = homes.find((folder) => packageFolder(folder, name) !== undefined)
  const folder = home === undefined ? undefined : packageFolder(home, name)
  try {
    if (home === undefined || folder === undefined) throw new Error(`not found from ${homes.join(' or ')}`)
    const manifest = readFileSync(join(folder, 'package.json'), 'utf8')
    const require = createRequire(join(home, 'package.json'))
    return { module: require(name) as T, version: (JSON.parse(manifest) as { version: string }).version }
  } catch (error) {
    const how = `npm install ${name}${isCheckout ? `, or here ${INSTALL_COMMAND}` : ''}`
    throw new PeerMissing(`${name} is not installed (${how}): ${messageOf(error)}`)
  }
}

/** Where node finds a package that is asked for in `folder`. */
function packageFolder(folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name)
    if (existsSync(join(found, 'package.json'))) return found
    if (at === dirname(at)) return undefined
  }
}
