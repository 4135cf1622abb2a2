/**
 * What of a configuration would keep the next server from starting, or from doing what it says, as far as that can be known
 * without starting one. What holds:
 * - Nothing is changed by asking, and nobody waits for anybody else: files are looked at, and a port is listened on for as
 *   long as it takes to be refused.
 * - An address that another program has is none of this: that program may be gone by the next start, and it may be this one.
 */

import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, constants, lstatSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { describeError } from '../base/log.ts'
import { hasCode } from '../base/node-error.ts'
import { type ConfigLayers, valueIn } from '../config/layers.ts'
import {
  clash,
  isLocal,
  LISTENING_SETTINGS,
  listenAddresses,
  type NamedAddress,
  portAddresses,
} from '../config/listen-addresses.ts'
import { adminsIn } from '../config/load.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import { SETTINGS, type SettingName, type Settings } from '../config/settings.ts'
import { checkTls, readPem, SETTINGS_OF_TLS } from './certificates.ts'

/** A configuration that a server may be started with. */
export interface Candidate {
  settings: Pick<SettingsRegistry, 'get'>
  /** Whether it names an administrator. */
  hasAdmin: boolean
}

interface Obstacle {
  /** Those that it depends on. */
  settings: readonly SettingName[]
  /** What is wrong; undefined for nothing. */
  problem(candidate: Candidate): string | undefined | Promise<string | undefined>
}

/** Of every start, the first one of a process and those that requests ask for. */
const OF_START: readonly Obstacle[] = [
  { settings: ['sslEnabled', ...SETTINGS_OF_TLS], problem: problemOfTls },
  { settings: LISTENING_SETTINGS, problem: problemOfAddresses },
  { settings: LISTENING_SETTINGS, problem: problemOfPorts },
  { settings: ['unixSocket'], problem: problemOfSocket },
]

/** Of files that are opened before the first start, or after it. */
const OF_FILES: readonly Obstacle[] = [
  { settings: ['logWriter', 'logFile'], problem: problemOfLog },
  { settings: ['replicationCertificates'], problem: problemOfTrusted },
]

/**
 * Why a change of a setting is to be refused: it makes a configuration that cannot be started with of one that can. Where
 * that could not be before, either, changes are free: they may be the first of several that mend it.
 */
export async function problemOfChange(
  name: SettingName,
  before: Candidate,
  after: Candidate,
): Promise<string | undefined> {
  for (const { settings, problem } of [...OF_START, ...OF_FILES]) {
    if (!settings.includes(name)) continue
    const found = await problem(after)
    if (found !== undefined && (await problem(before)) === undefined) return found
  }
  return undefined
}

/** The same of all settings at once: files that were read anew. */
export async function problemOfReload(before: Candidate, after: Candidate): Promise<string | undefined> {
  for (const { problem } of [...OF_START, ...OF_FILES]) {
    const found = await problem(after)
    if (found !== undefined && (await problem(before)) === undefined) return found
  }
  return undefined
}

/** Why no server can be started. */
export async function problemOfStart(candidate: Candidate): Promise<string | undefined> {
  for (const { problem } of OF_START) {
    const found = await problem(candidate)
    if (found !== undefined) return found
  }
  return undefined
}

/** What is configured by these layers. */
export function candidateOf(layers: ConfigLayers): Candidate {
  const settings = { get: <K extends SettingName>(name: K): Settings[K] => valueIn(layers, name) }
  return { settings, hasAdmin: adminsIn(layers).size > 0 }
}

/** What a start tells before it listens, in better words than the operating system's. */
export function problemBeforeListening(candidate: Candidate): string | undefined {
  return problemOfAddresses(candidate) ?? problemOfSocket(candidate)
}

function problemOfTls({ settings }: Candidate): string | undefined {
  return settings.get('sslEnabled') ? messageOf(() => checkTls(settings)) : undefined
}

function problemOfAddresses({ settings, hasAdmin }: Candidate): string | undefined {
  const others = listenAddresses(settings).filter((address) => !isLocal(address))
  if (!hasAdmin && others.length > 0) {
    const names = others.map((address) => 'host' in address && address.host).join(', ')
    return (
      `no administrator is configured: with a generated password the server listens on loopback only, ` +
      `not on ${names}; set DAVENPORT_ADMIN=name:password`
    )
  }
  const pair = clash(portAddresses(settings))
  return (
    pair &&
    `${pair.map(nameOf).join(' and ')} cannot both be listened on: they are the same address or overlap`
  )
}

/** Listens on each port, one after the other, until the system refuses one. */
async function problemOfPorts({ settings }: Candidate): Promise<string | undefined> {
  for (const address of portAddresses(settings)) {
    const { host, port, ipv6Only } = address
    const server = createServer()
    try {
      server.listen({ host, port, ipv6Only })
      await once(server, 'listening')
    } catch (error) {
      if (!hasCode(error, 'EADDRINUSE')) return `${nameOf(address)}: ${describeError(error)}`
    } finally {
      if (server.listening) server.close()
    }
  }
  return undefined
}

function nameOf({ section, host, port }: NamedAddress): string {
  return `[${section}] ${host.includes(':') ? `[${host}]` : host}:${port}`
}

function problemOfSocket({ settings }: Candidate): string | undefined {
  const path = settings.get('unixSocket')
  if (path === undefined) return undefined
  return messageOf(() => {
    requireFolder(dirname(path))
    const there = lstatSync(path, { throwIfNoEntry: false })
    if (there !== undefined && !there.isSocket())
      throw new Error(`${path} is there already, and is no socket`)
  }, 'unixSocket')
}

function problemOfLog({ settings }: Candidate): string | undefined {
  if (settings.get('logWriter') !== 'file') return undefined
  const path = settings.get('logFile')
  return messageOf(() => {
    const there = statSync(path, { throwIfNoEntry: false })
    if (there === undefined) requireFolder(dirname(path))
    else if (there.isDirectory()) throw new Error(`${path} is a folder`)
    else accessSync(path, constants.W_OK)
  }, 'logFile')
}

function problemOfTrusted({ settings }: Candidate): string | undefined {
  const path = settings.get('replicationCertificates')
  if (path === undefined) return undefined
  return messageOf(() => new X509Certificate(readPem(titleOf('replicationCertificates'), path)))
}

/** Throws an Error for a folder in which no file can be made. */
function requireFolder(path: string): void {
  if (!statSync(path).isDirectory()) throw new Error(`${path} is no folder`)
  accessSync(path, constants.W_OK | constants.X_OK)
}

/** What `check` throws, with the setting that it is about. */
function messageOf(check: () => unknown, name?: SettingName): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return name === undefined ? describeError(error) : `${titleOf(name)}: ${describeError(error)}`
  }
}

function titleOf(name: SettingName): string {
  const { section, key } = SETTINGS[name]
  return `[${section}] ${key}`
}
