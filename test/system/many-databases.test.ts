/**
 * Far more databases than files that the process may have open. `npm run bench -- many-databases` does the
 * same with 2,000 and prints its figures.
 */
import t from 'tap'
import { useManyDatabases } from '../support/many-databases.ts'

const MiB = 1024 * 1024

t.setTimeout(300_000)
const skip = process.platform === 'linux' ? false : 'memory is read from /proc, the limit is set by ulimit'

t.test('300 databases with 256 open files and 40 open databases', { skip }, async (t) => {
  const report = await useManyDatabases({
    dataDir: t.testdir(),
    databases: 300,
    documents: 10,
    openFiles: 256,
    environment: { DAVENPORT_COUCHDB__MAX_DBS_OPEN: '40' },
  })
  const [made, read] = report.peakBytes
  t.comment(
    `peaks of ${made / MiB} and ${read / MiB} MiB, at most ${report.largestDiskBytes} bytes of disk each`,
  )
  t.ok(Math.max(made, read) < 250 * MiB, 'memory')
  t.ok(report.largestDiskBytes <= 64 * 1024, 'disk')
})
