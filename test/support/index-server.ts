/** A program: builds an index of the database `db` of the data folder that it is given, and tells of it, until it is killed. */
import { startTestServer } from './http-server.ts'
import { KILLED_VIEWS, rowsOf } from './index-fixture.ts'

const { server } = await startTestServer({ dataDir: process.argv[2]! })
const { database } = await server.databases.lease('db')
process.stdout.write('building\n')
await rowsOf(server.indexes, database, KILLED_VIEWS)
process.stdout.write('built\n')
setInterval(() => undefined, 1000)
