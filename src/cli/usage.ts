import { type Setting, textOf } from '../config/setting.ts'
import { SETTINGS } from '../config/settings.ts'

export const COMMANDS = ['serve', 'check', 'compact', 'inspect', 'migrate'] as const

export type Command = (typeof COMMANDS)[number]

const MAIN = `Usage: davenport COMMAND [options]

Commands:
  serve           run the server
  check FILE      read a whole database file and report what is damaged
  compact FILE    give back the space of a database file that no server has open
  inspect FILE    show what a database file holds, and draw a map of it
  migrate SOURCE TARGET
                  bring databases from one server to another, and compare them
  lab COMMAND     measure storage engines of your own and break them: davenport lab --help

  help [COMMAND]  show this, or the help of a command; so do --help and -h
  --version, -v   show the version
`

const CHECK = `Usage: davenport check FILE

Reads every byte that FILE refers to and verifies checksums, order, counts and references. FILE is only read;
it may be in use by a server. What a power cut may leave is no damage: a commit that nobody was told of is not
whole, a superblock is torn. It is told, and the next opening recovers from it.

Exit status: 0 the file is sound, 1 it is damaged, 2 it could not be checked (there is no such file, it cannot be read,
or another version wrote it).

  --json         print one object of JSON, for programs
  --help, -h     show this
  --version, -v  show the version
`

const COMPACT = `Usage: davenport compact FILE

Copies what FILE holds now into FILE.compact, which then takes its name: bodies of old revisions and attachments
that no document has any more are left out. FILE must not be open in a server; one that is running compacts by
POST /{db}/_compact. When it is stopped at any moment FILE is whole, and the next compaction goes on from there.

Exit status: 0 done, 1 it failed, 2 there is no such file, or it cannot be read.

  --json         print one object of JSON, for programs
  --help, -h     show this
  --version, -v  show the version
`

const INSPECT = `Usage: davenport inspect [options] FILE

Prints a database file's identity, its last commit, the state it was left in, and the size of its trees. With one of the options
it shows more. FILE is only read; it may be in use by a server. docs/INSPECT.md tells how to read what is shown.

Exit status: 0 done, 1 the file is damaged, 2 it could not be opened.

  --map OUT      write a map of the file to OUT: what its bytes are for, and where they lie. OUT.html can be opened down to
                 the cells of trees and the bytes of groups; OUT.svg is the drawing alone; OUT.json is for programs
  --at POSITION  show the group of the log in which POSITION lies, with its records from there on
  --node TREE/N/M
                 show a node and its cells: that of the tree's root, its child N, that one's child M
  --json         print one object of JSON, for programs
  --help, -h     show this
  --version, -v  show the version
`

const MIGRATE = `Usage: davenport migrate [options] SOURCE TARGET

Brings the database of the URL SOURCE to the URL TARGET: each is at an Apache CouchDB or at a davenport, and the server
of TARGET may be a cluster. The target is made where it is missing and gets _security and the bound of revisions of the source;
documents, design documents and deleted ones among them, are replicated with all their conflicts and attachments. Then both
are read and compared: documents, leaf revisions, and a digest of all revision trees. It can be ended at any time, and goes
on where it was when it is started again.

  --all          SOURCE and TARGET are servers: every database but _replicator, _users among them
  --continuous   go on with what is written meanwhile, until Ctrl-C; then catch up and compare again
  --dry-run      tell what would be done, and change nothing
  --json         print a line of JSON for each database, for programs
  --help, -h     show this
  --version, -v  show the version

Environment:
  DAVENPORT_MIGRATE_SOURCE=name:password  signs in at SOURCE; so does http://name:password@host/, which others
  DAVENPORT_MIGRATE_TARGET=name:password  can see in the list of processes
  DAVENPORT_REPLICATOR__KEY=value         a setting of [replicator], for example WORKER_PROCESSES

Exit status: 0 all is equal, 1 something differs or failed, 2 a wrong command line.
`

function serveUsage(): string {
  return `Usage: davenport serve [options]

  --host ADDRESS         address to listen on (default ${SETTINGS.bindAddress.default})
  --port PORT            port to listen on, 0 for any free one (default ${SETTINGS.port.default})
  --data-dir FOLDER      where everything is kept (default ${SETTINGS.databaseDir.default})
  --admin NAME:PASSWORD  set a server administrator; may be repeated. Others can see it in the list of
                         processes: use DAVENPORT_ADMIN for more than trials
  --cors ORIGIN          serve the scripts of web pages of ORIGIN, with the passwords and cookies that their
                         browser keeps; may be repeated. * is every page: it can then do what its reader may
  --config FILE          read settings from an ini file
  --gateway FILE         serve the API of Couchbase Sync Gateway too, as FILE configures it: docs/GATEWAY.md
  --help, -h             show this
  --version, -v          show the version

Environment:
  DAVENPORT_ADMIN=name:password       set a server administrator
  COUCHDB_USER, COUCHDB_PASSWORD      the same
  DAVENPORT_SECTION__KEY=value        any setting, for example DAVENPORT_CHTTPD__PORT=6000

Settings (defaults < file < what requests have changed < environment < options):
${Object.values(SETTINGS).map(describe).join('')}  [admins] NAME = PASSWORD
      A server administrator: a password, or a hash as CouchDB writes it.
`
}

function describe(setting: Setting<unknown>): string {
  const text = textOf(setting.default)
  const value = text === undefined || text === '' ? '' : ` = ${text}`
  const key = setting.key === '*' ? 'NAME' : setting.key
  return `  [${setting.section}] ${key}${value}\n      ${setting.doc}\n`
}

export function usage(command?: Command): string {
  if (command === 'serve') return serveUsage()
  if (command === 'check') return CHECK
  if (command === 'compact') return COMPACT
  if (command === 'migrate') return MIGRATE
  return command === 'inspect' ? INSPECT : MAIN
}
