/**
 * Pages of others that the server shows: `fetchWebPackages()` puts them into `dist/web/`. They are packages of npm of which
 * nothing but what a browser loads is wanted, neither their dependencies nor their scripts. So they are no dependencies:
 * the tarball is packed by npm, which knows the registry and the proxy that are configured, and taken only if it is the one
 * that is pinned here. Without a network the build goes on without them, and the pages say how to get them.
 *
 * A folder is put in its place whole, with `.integrity` in it, which says that it is the one that is wanted.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** `files`: what is taken of the tarball, each with its path in the folder that it goes to as the first group. */
const PACKAGES = [
  {
    name: 'fauxton',
    version: '1.2.6',
    integrity:
      'sha512-5ZwPKqstwmQclSHifWBmbyzlBOLoBB3gssGaiEFLPcIzHO0Zxz+uPr/D/Fs6DGH7Hfohw7s6zqcjwU9CRcshfw==',
    files: [/^package\/dist\/release\/(.+)$/, /^package\/(LICENSE)$/],
  },
  {
    name: 'swagger-ui-dist',
    version: '5.35.0',
    integrity:
      'sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==',
    files: [
      /^package\/(swagger-ui\.css|swagger-ui-bundle\.js(?:\.LICENSE\.txt)?)$/,
      /^package\/(LICENSE|NOTICE)$/,
    ],
  },
]

const INTEGRITY = '.integrity'
/** When the last attempt failed: another one is made after a while, so that a start without a network is not held up each time. */
const FAILED = '.failed'
const RETRY_AFTER_MS = 60 * 60 * 1000
const TIMEOUT_MS = 60_000

/** Fetches what is missing below `folder`. Resolves to what could not be had, as lines. `isForced`: a failure of before does not count. */
export async function fetchWebPackages(folder, isForced) {
  const missing = PACKAGES.filter((each) => textIn(join(folder, each.name, INTEGRITY)) !== each.integrity)
  if (missing.length === 0) return []
  const failedMs = statSync(join(folder, FAILED), { throwIfNoEntry: false })?.mtimeMs
  if (!isForced && failedMs !== undefined && Date.now() - failedMs < RETRY_AFTER_MS) return []
  mkdirSync(folder, { recursive: true })
  const failures = []
  for (const each of missing) {
    const temporary = mkdtempSync(join(folder, '.fetch-'))
    try {
      await fetchPackage(each, temporary, folder)
    } catch (error) {
      failures.push(`${each.name}@${each.version} could not be fetched: ${error.message}`)
    } finally {
      rmSync(temporary, { recursive: true, force: true })
    }
  }
  if (failures.length > 0) writeFileSync(join(folder, FAILED), `${failures.join('\n')}\n`)
  else rmSync(join(folder, FAILED), { force: true })
  return failures
}

async function fetchPackage({ name, version, integrity, files }, temporary, folder) {
  // A package of what is not installed, in a release, has no compiler and no reader of tarballs either.
  const { extract } = await import('tar')
  await packTarball(`${name}@${version}`, temporary)
  const file = join(temporary, `${name}-${version}.tgz`)
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  if (found !== integrity) throw new Error(`its hash is ${found}, not the one that is pinned`)
  const nameOf = (path) => files.map((pattern) => pattern.exec(path)?.[1]).find((name) => name !== undefined)
  const made = join(temporary, 'made')
  mkdirSync(made)
  await extract({
    file,
    cwd: made,
    filter: (path) => nameOf(path) !== undefined,
    onReadEntry: (entry) => {
      entry.path = nameOf(entry.path)
    },
    noMtime: true,
  })
  writeFileSync(join(made, INTEGRITY), integrity)
  const place = join(folder, name)
  rmSync(place, { recursive: true, force: true })
  renameSync(made, place)
}

/** By npm, which runs this build or is on the path. */
function packTarball(specifier, destination) {
  const npm = process.env.npm_execpath
  const args = [
    'pack',
    specifier,
    '--ignore-scripts',
    '--silent',
    '--fetch-retries=0',
    '--pack-destination',
    destination,
  ]
  const [program, given] = npm?.endsWith('.js') ? [process.execPath, [npm, ...args]] : ['npm', args]
  // A script of the shell on Windows; what it is given has no spaces but the folder's.
  const shell = program === 'npm' && process.platform === 'win32'
  return new Promise((resolve, reject) => {
    const child = spawn(program, shell ? given.map((arg) => `"${arg}"`) : given, {
      cwd: destination,
      shell,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: TIMEOUT_MS,
      // What npm was told for the package that it builds is not for this one.
      env: { ...process.env, npm_config_dry_run: 'false', npm_config_json: 'false' },
    })
    let told = ''
    child.stderr.setEncoding('utf8').on('data', (text) => {
      told = `${told}${text}`.slice(-2000)
    })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(new Error(told.trim().split('\n').pop() || `npm pack ended with ${code ?? signal}`))
    })
  })
}

function textIn(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
