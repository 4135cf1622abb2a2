/**
 * What HTTPS is spoken with: certificate, key and the rest of `[ssl]`. What holds:
 * - It is read at the start, which fails where it cannot be used, and again after each change of `[ssl]`, each reload of the
 *   configuration, and whenever `reload` is called.
 * - What cannot be used then (files that are halfway replaced, a key of another certificate) is logged, and what was there
 *   before stays.
 * - Connections that are open go on with what they have begun with. Sessions of TLS are not resumed across a change.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { Listeners } from '../base/listeners.ts'
import { describeError, type Log } from '../base/log.ts'
import type { RandomBytes } from '../base/random.ts'
import { ConfigError } from '../config/ini.ts'
import type { TlsVersion } from '../config/listening-settings.ts'
import type { SettingsRegistry } from '../config/registry.ts'
import type { SettingName } from '../config/settings.ts'

/** As texts, so that it can be handed to other threads. */
export interface TlsMaterial {
  readonly cert: string
  readonly key: string
  readonly passphrase: string | undefined
  readonly ca: string | undefined
  readonly ciphers: string | undefined
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Clients are asked for certificates, and one that nobody has signed is refused. */
  readonly requestCert: boolean
  /** Those without one are refused then. */
  readonly requireCert: boolean
  /** Of all threads, so that each resumes what another has begun. */
  readonly ticketKeys: Uint8Array
}

export const SETTINGS_OF_TLS: readonly SettingName[] = [
  'sslCertFile',
  'sslKeyFile',
  'sslPassword',
  'sslCaFile',
  'sslVerify',
  'sslRequireCertificate',
  'sslCiphers',
  'sslVersions',
]

/** Of Node: a name, a key of AES and one of HMAC. */
const TICKET_KEY_BYTES = 48
/** More than any chain of certificates has. */
const MAX_FILE_BYTES = 1024 * 1024
const NAMES: Readonly<Record<TlsVersion, TlsMaterial['minVersion']>> = {
  'tlsv1.2': 'TLSv1.2',
  'tlsv1.3': 'TLSv1.3',
}

export interface CertificatesOptions {
  settings: SettingsRegistry
  log: Log
  random: RandomBytes
  clock: Pick<Clock, 'now'>
}

export class Certificates {
  readonly #options: CertificatesOptions
  readonly #listeners: Listeners<TlsMaterial>
  #material: TlsMaterial
  /** Something may have changed since they were read. */
  #isOutdated = false

  private constructor(options: CertificatesOptions, material: TlsMaterial) {
    const { settings, log } = options
    this.#options = options
    this.#material = material
    this.#listeners = new Listeners((error) =>
      log.error('a certificate was not taken', { reason: describeError(error) }),
    )
    for (const name of SETTINGS_OF_TLS) {
      settings.subscribe(name, () => this.outdate())
    }
    tell(options, material)
  }

  /** Undefined where HTTPS is not enabled. Throws ConfigError. */
  static open(options: CertificatesOptions): Certificates | undefined {
    if (!options.settings.get('sslEnabled')) return undefined
    return new Certificates(options, read(options))
  }

  get material(): TlsMaterial {
    return this.#material
  }

  /** Calls `listener` with what is read from now on. Returns what ends that. */
  onChange(listener: (material: TlsMaterial) => void): () => void {
    return this.#listeners.subscribe(listener)
  }

  /** The files may be others: the next `refresh` reads them. */
  outdate(): void {
    this.#isOutdated = true
  }

  /** Takes what the settings say now, if one of them was put since, or the files may be others. */
  refresh(): void {
    if (this.#isOutdated) this.reload()
  }

  /** Reads the files anew. */
  reload(): void {
    this.#isOutdated = false
    try {
      this.#material = read(this.#options)
    } catch (error) {
      this.#options.log.error('the certificate stays as it was', { reason: describeError(error) })
      return
    }
    this.#listeners.tell(this.#material)
    tell(this.#options, this.#material)
  }
}

function tell({ log, clock }: CertificatesOptions, { cert }: TlsMaterial): void {
  const { validTo, fingerprint256 } = new X509Certificate(cert)
  if (Date.parse(validTo) < clock.now()) log.warning('the certificate has expired', { validTo })
  else log.info('the certificate was read', { validTo, fingerprint256 })
}

/** Throws ConfigError where these settings cannot be used. */
export function checkTls(settings: Pick<SettingsRegistry, 'get'>): void {
  contextOf(settings)
}

/** Throws ConfigError. */
function read({ settings, random }: CertificatesOptions): TlsMaterial {
  const ticketKeys = new Uint8Array(TICKET_KEY_BYTES)
  random(ticketKeys)
  return { ...contextOf(settings), ticketKeys }
}

/** Throws ConfigError. */
function contextOf(settings: Pick<SettingsRegistry, 'get'>): Omit<TlsMaterial, 'ticketKeys'> {
  const versions = settings.get('sslVersions')
  const caPath = settings.get('sslCaFile')
  const requestCert = settings.get('sslVerify')
  if (requestCert && caPath === undefined) {
    throw new ConfigError('[ssl] verify_certificate needs the authorities of [ssl] cacert_file')
  }
  const context = {
    cert: readPem('[ssl] cert_file', requiredPath('cert_file', settings.get('sslCertFile'))),
    key: readPem('[ssl] key_file', requiredPath('key_file', settings.get('sslKeyFile'))),
    passphrase: settings.get('sslPassword'),
    ca: caPath === undefined ? undefined : readPem('[ssl] cacert_file', caPath),
    ciphers: settings.get('sslCiphers'),
    minVersion: NAMES[versions.includes('tlsv1.2') ? 'tlsv1.2' : 'tlsv1.3'],
    maxVersion: NAMES[versions.includes('tlsv1.3') ? 'tlsv1.3' : 'tlsv1.2'],
    requestCert,
    requireCert: settings.get('sslRequireCertificate'),
  }
  try {
    createSecureContext(context)
    new X509Certificate(context.cert)
  } catch (error) {
    throw new ConfigError(`[ssl] cannot be used: ${describeError(error)}`)
  }
  return context
}

/** Throws ConfigError. */
function requiredPath(key: string, path: string | undefined): string {
  if (path === undefined) throw new ConfigError(`[ssl] enable needs [ssl] ${key}`)
  return path
}

/** The text of a file that `setting` names. Throws ConfigError. */
export function readPem(setting: string, path: string): string {
  try {
    const stats = statSync(path)
    // What is no file could keep its reader waiting.
    if (!stats.isFile() || stats.size > MAX_FILE_BYTES) throw new Error('this is no file of certificates')
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`${setting}: ${describeError(error)}`)
  }
}
