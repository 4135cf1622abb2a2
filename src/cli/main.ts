#!/usr/bin/env node
/** The program. */
import { setFlagsFromString } from 'node:v8'
import { loadCoreRooms } from '../threads/load-rooms.ts'

// Where most of what a line of code makes outlives a collection, V8 makes the rest of it in the old generation at once. Here that
// is what belongs to requests that were under way, which are many at any moment and soon over: of each that is answered, what lies
// in the old generation would keep the rest up to a full collection.
setFlagsFromString('--no-allocation-site-pretenuring')

// Each thread frees its young garbage alone. V8 would share that work among helpers, four for all threads; where the processors are
// taken by threads that answer requests, helpers wait for one, and the thread that called them waits for the last of them: a
// collection of 0.3 ms took 2 to 4. A thread that serves collects a hundred times a second and more, so waking helpers costs more than
// they save. Old generations are still marked by helpers, beside the thread, which takes long and is rare.
for (const flag of [
  '--no-parallel-scavenge',
  '--no-concurrent-array-buffer-sweeping',
  '--no-concurrent-sweeping',
  '--no-parallel-compaction',
  '--no-parallel-pointer-update',
]) {
  setFlagsFromString(flag)
}

// A thread's old generation, and what lies beside the heap since it was collected, may become as much as was left then. V8 makes that a
// tenth of it or 8 MB for a thread that allocates little for its time, as the one that writes does: it would mark some 20 MB for every
// 8 that a load brings, most of which is cached and stays.
setFlagsFromString('--heap-growing-percent=100')

// What modules are made of outlives every collection: loading them would make the young generation larger than work needs.
setFlagsFromString('--semi-space-growth-factor=1')

await loadCoreRooms()
const { runCommandLine } = await import('./command-line.ts')
const { processConsole } = await import('./process-console.ts')
const { systemParts } = await import('./system-parts.ts')
setFlagsFromString('--semi-space-growth-factor=2')

process.exit(await runCommandLine(process.argv.slice(2), systemParts, processConsole()))
