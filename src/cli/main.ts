#!/usr/bin/env node
import { runCommandLine } from './command-line.ts'
import { processConsole } from './process-console.ts'
import { systemParts } from './system-parts.ts'

process.exit(await runCommandLine(process.argv.slice(2), systemParts, processConsole()))
