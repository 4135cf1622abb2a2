#!/usr/bin/env node
/** The program. */
import { loadCoreRooms } from '../threads/load-rooms.ts'

await loadCoreRooms()
const { runCommandLine } = await import('./command-line.ts')
const { processConsole } = await import('./process-console.ts')
const { systemParts } = await import('./system-parts.ts')

process.exit(await runCommandLine(process.argv.slice(2), systemParts, processConsole()))
