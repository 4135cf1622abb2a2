/** Reads a store that was opened after a crash, all of it, and judges every lane. */
import type { Capabilities } from '../api.ts'
import { messageOf } from '../lab-error.ts'
import type { Opened } from '../opened.ts'
import type { Lane } from './lanes.ts'
import { type Bounds, judgeLane, refuseStrangers, Wrong } from './verdict.ts'

/** Of the keys that a scan gave so many are read by themselves, too. */
const POINT_READS = 12

/**
 * What each lane shows, in commits. Throws Wrong.
 * @param bounds of each lane, in their order.
 */
export async function judgeStore(
  opened: Opened,
  capabilities: Capabilities,
  lanes: readonly Lane[],
  bounds: readonly Bounds[],
): Promise<number[]> {
  let found: Map<string, Buffer>
  try {
    found = await contentsOf(opened, capabilities, lanes, bounds)
  } catch (error) {
    if (error instanceof Wrong) throw error
    throw new Wrong('not read', messageOf(error))
  }
  refuseStrangers(lanes, found)
  return lanes.map((lane, index) => judgeLane(lane, found, bounds[index]!))
}

async function contentsOf(
  opened: Opened,
  { orderedScans, concurrentWriters }: Capabilities,
  lanes: readonly Lane[],
  bounds: readonly Bounds[],
): Promise<Map<string, Buffer>> {
  const written = lanes.flatMap((lane, index) => lane.keys(bounds[index]!.high))
  const found = new Map<string, Buffer>()
  if (!opened.scans) {
    for (const key of written) {
      const value = await opened.get(Buffer.from(key))
      if (value !== undefined) found.set(key, value)
    }
    return found
  }
  let previous: Buffer | undefined
  for (const [key, value] of await opened.scan()) {
    const name = key.toString('latin1')
    if (found.has(name)) throw new Wrong('scan wrong', `the scan gives ${name} twice`)
    if (orderedScans && previous !== undefined && key.compare(previous) < 0) {
      throw new Wrong('scan wrong', `the scan gives ${name} after ${previous.toString('latin1')}`)
    }
    previous = key
    found.set(name, value)
  }
  const step = Math.max(1, Math.floor(written.length / POINT_READS))
  const compare = async (key: string) => {
    const value = await opened.get(Buffer.from(key))
    const listed = found.get(key)
    const isSame = value === undefined || listed === undefined ? value === listed : value.equals(listed)
    if (!isSame) throw new Wrong('scan wrong', `get and scan show different things of ${key}`)
  }
  const keys = written.filter((_, index) => index % step === 0)
  if (concurrentWriters) await Promise.all(keys.map(compare))
  else for (const key of keys) await compare(key)
  return found
}
