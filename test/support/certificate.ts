/**
 * Certificates made for tests, as RFC 5280 has them: DER written here, since Node reads certificates and makes none.
 */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'

export interface Certificate {
  /** As PEM. */
  cert: string
  key: string
  readonly keyObject: KeyObject
  readonly name: string
}

export interface CertificateOptions {
  /** The common name. */
  name?: string
  /** Who signs it; itself by default. */
  issuer?: Certificate
  /** Encrypts the key. */
  password?: string
  /** Days from now; negative for one that has expired. */
  days?: number
}

const SEQUENCE = 0x30
const SET = 0x31
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OBJECT_ID = 0x06
const UTF8 = 0x0c
const UTC_TIME = 0x17
const BOOLEAN = 0x01
const DAY_MS = 86_400_000

/** A value with its type and length. */
function der(type: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  if (length < 0x80) return Buffer.concat([Buffer.of(type, length), content])
  return Buffer.concat([Buffer.of(type, 0x82, length >> 8, length & 0xff), content])
}

/** Arcs that are below 128, the first two in one byte, or as bytes that are ready. */
const id = (...bytes: number[]): Buffer => der(OBJECT_ID, Buffer.from(bytes))

const ECDSA_SHA256 = der(SEQUENCE, id(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const COMMON_NAME = id(0x55, 0x04, 0x03)
const ALTERNATIVE_NAMES = id(0x55, 0x1d, 0x11)
const BASIC_CONSTRAINTS = id(0x55, 0x1d, 0x13)

function nameOf(name: string): Buffer {
  return der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8, Buffer.from(name)))))
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replace(/^..|[-:T]|\.\d+/g, '')
  return der(UTC_TIME, Buffer.from(text))
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** For `localhost`, 127.0.0.1 and ::1. Every one may sign others. */
export function makeCertificate(options: CertificateOptions = {}): Certificate {
  const { name = 'localhost', issuer, password, days = 30 } = options
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const names = der(
    SEQUENCE,
    der(0x82, Buffer.from('localhost')),
    der(0x87, Buffer.of(127, 0, 0, 1)),
    der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.of(1)])),
  )
  const extensions = der(
    SEQUENCE,
    der(SEQUENCE, ALTERNATIVE_NAMES, der(OCTET_STRING, names)),
    der(SEQUENCE, BASIC_CONSTRAINTS, der(OCTET_STRING, der(SEQUENCE, der(BOOLEAN, Buffer.of(0xff))))),
  )
  const serial = Buffer.alloc(8)
  systemRandom(serial)
  const now = systemClock.now()
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.of(2))),
    der(INTEGER, Buffer.concat([Buffer.of(1), serial])),
    ECDSA_SHA256,
    nameOf(issuer?.name ?? name),
    der(SEQUENCE, time(now + Math.min(-1, days - 1) * DAY_MS), time(now + days * DAY_MS)),
    nameOf(name),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  )
  const signature = sign('sha256', body, issuer?.keyObject ?? privateKey)
  const whole = der(SEQUENCE, body, ECDSA_SHA256, der(BIT_STRING, Buffer.of(0), signature))
  const encryption = password === undefined ? {} : { cipher: 'aes-256-cbc', passphrase: password }
  return {
    cert: pem('CERTIFICATE', whole),
    key: privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption } as never) as unknown as string,
    keyObject: privateKey,
    name,
  }
}
