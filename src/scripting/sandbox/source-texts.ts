/** What both engines make of the texts of functions before they run them. */
import { asScript } from './function-statements.ts'
import { mayWrite } from './may-write.ts'

/** The text of a function as a script whose value is the function. */
export function scriptOf(source: string): string {
  try {
    return asScript(source)
  } catch {
    // A literal too long for the host's own regular expressions.
    return source
  }
}

/** A design document of which a function may write to the documents that it is given. */
export function mayAnyWrite(design: Uint8Array): boolean {
  try {
    const { views } = JSON.parse(Buffer.from(design).toString()) as {
      views?: Record<string, { map?: unknown }>
    }
    return Object.values(views ?? {}).some(({ map }) => typeof map === 'string' && mayWrite(map))
  } catch {
    return true
  }
}
