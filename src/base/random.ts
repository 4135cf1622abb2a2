import { randomBytes as cryptoRandomBytes } from 'node:crypto'

/** Gives `length` random bytes; secrets are made of them. */
export type RandomBytes = (length: number) => Buffer

export const systemRandomBytes: RandomBytes = (length) => cryptoRandomBytes(length)
