import { describeError } from '../base/log.ts'

/** The system's errors that a person at the command line meets, in words. */
const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'a part of this path is a file, not a folder',
  EISDIR: 'this is a folder, not a file',
  EACCES: 'this user has no right to it',
  EPERM: 'this user has no right to it',
  EROFS: 'its file system takes no writes',
  ENOSPC: 'there is no room left on the disk',
  EDQUOT: 'there is no room left for this user on the disk',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'its name is longer than the file system allows',
  EMFILE: 'too many files are open',
  EADDRINUSE: 'another program has this address and port',
  EADDRNOTAVAIL: 'this machine has no such address',
}

function isInWords(error: unknown): boolean {
  return error instanceof Error && 'code' in error && Object.hasOwn(WORDS, String(error.code))
}

/** What an error says to a person: a system's error in words, with its code and what it is about. */
export function explain(error: unknown): string {
  // The engine tells a system's error as one of its own, with that as the cause.
  if (error instanceof Error && isInWords(error.cause)) return explain(error.cause)
  if (!(error instanceof Error) || !('code' in error)) return describeError(error)
  const { code, path, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number }
  if (code === undefined || !Object.hasOwn(WORDS, code)) return describeError(error)
  const what = path ?? (address === undefined ? undefined : `${address}:${port}`)
  return `${what === undefined ? '' : `${what}: `}${WORDS[code]} (${code})`
}
