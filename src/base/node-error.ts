/** Whether a thrown value is one of Node's system errors with this code, "ENOENT" for example. */
export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
