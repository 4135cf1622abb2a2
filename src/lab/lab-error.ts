/** What is said to whoever runs the lab: an adapter that cannot be used, a word of the command line that is none. */
export class LabError extends Error {}

/** The message of anything that was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error)
  return text.split('\n', 1)[0] ?? ''
}
