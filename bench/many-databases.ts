/**
 * Many small databases under a limit of open files: made, read, listed, and read again after a restart.
 *
 * Wanted for the defaults: peak memory of the server's process (VmHWM) under 400 MB, and at most 64 KiB of
 * disk for each database. Linux only. The folder is a temporary one unless given, and is removed.
 */
import { parseArgs } from 'node:util'
import { useManyDatabases } from '../test/support/many-databases.ts'
import { type Benchmark, megabytes, stopwatch, withFolder } from './tools.ts'

export const manyDatabases: Benchmark = {
  summary: 'thousands of small databases: memory, disk, time',
  flags: '[--databases 2000] [--documents 10] [--open-files 1024] [--folder PATH]',
  async run(args, print) {
    const { values } = parseArgs({
      args,
      options: {
        databases: { type: 'string', default: '2000' },
        documents: { type: 'string', default: '10' },
        'open-files': { type: 'string', default: '1024' },
        folder: { type: 'string' },
      },
    })
    const databases = Number(values.databases)
    const documents = Number(values.documents)
    const openFiles = Number(values['open-files'])
    print(`${databases} databases of ${documents} documents with ${openFiles} open files`)
    await withFolder(values.folder, async (dataDir) => {
      const lap = stopwatch()
      const onPart = (part: string): void => print(`${part}: ${lap().toFixed(1)} s`)
      const report = await useManyDatabases({ dataDir, databases, documents, openFiles, onPart })
      print(`peak memory: ${report.peakBytes.map(megabytes).join(' making them, ')} reading them again`)
      print(
        `disk: ${report.largestDiskBytes / 1024} KiB at most each, ${megabytes(report.diskBytes)} together`,
      )
    })
  },
}
