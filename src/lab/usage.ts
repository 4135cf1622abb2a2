/** What `davenport lab --help` and its commands' help say. */
import { WORKLOADS } from './bench/workloads.ts'
import { BUILT_IN_NAMES } from './load-store.ts'
import { FAULTS } from './simulated/faults.ts'

export const LAB_COMMANDS = ['check', 'fuzz', 'replay', 'bench', 'compare', 'show'] as const

const LINE = 110

export type LabCommand = (typeof LAB_COMMANDS)[number]

const STORE = `  --store STORE      the file of an adapter (./my-store.mjs), a program that speaks lines of JSON with its words
                     ("python3 my_store.py"; "msgpack:./my_store" where it speaks MessagePack), or one of
                     ${BUILT_IN_NAMES.join(', ')}
  --set NAME=VALUE   a setting for the store; may be repeated
`

const MAIN = `Usage: davenport lab COMMAND [options]

Measures storage engines and breaks them. An adapter is one file of yours: docs/LAB.md leads through one.

Commands:
  check --store STORE   hold an adapter against the interface, before anything is measured or broken
  fuzz --store STORE    kill the store, or cut its power, and ask for what it had acknowledged
  replay FILE           play again what fuzz has found
  bench --store STORE   measure stores: latencies, throughput against time, amplification, opening and recovery
  compare A B           hold two runs of bench that were written by --json against each other
  show FILE             step through one of our files: superblocks, groups, trees, nodes, cells

${STORE}  --help, -h         show this, or the help of a command
`

const CHECK = `Usage: davenport lab check --store STORE [options]

Tries what the interface says of each function, and what the store's capabilities promise, and tells what is wrong.

Exit status: 0 all held, 1 something was broken, 2 there is no such store, or it cannot be loaded.

${STORE}  --help, -h         show this
`

const FUZZ = `Usage: davenport lab fuzz --store STORE [options]

The store commits in a process of its own. Every write that was acknowledged has to be there after a crash, transactions whole,
in their order, and nothing that nobody wrote. What goes wrong is cut down and written to a file for replay.

  --depth 1  the process is killed at random moments, and started again on what it left (the default)
  --depth 2  its system calls are recorded (this needs strace), what a power cut at any of them may leave is built as
             the model of a file system says, and the store is started on that
  --depth 3  it works on a simulated disk, whose operations fail, whose power is cut, and which damages what it keeps; for
             adapters with the capability fileSystem

Exit status: 0 nothing was found, 1 something was, 2 there is no such store, or it cannot be loaded.

${STORE}  --seed NUMBER      what is drawn: the same seed gives the same commits
  --seconds NUMBER   for how long; 60 unless --lives or --states says when to end
  --lives NUMBER     depths 1 and 3: how often the store is started
  --no-shrink        depths 1 and 3: leave what was found as long as it was
  --model MODEL      depth 2: ext4-ordered (the default), ext4-writeback, posix-strict
  --states NUMBER    depths 2 and 3: how many states are tried
  --commits NUMBER   depth 2: how many commits are recorded at a time; 150
  --first            depth 2: end with the first that is found
  --faults NAMES     depth 3: what goes wrong beside the power, apart by commas: none, or some of
${wrapped(FAULTS, 21)}
  --out FOLDER       where what was found is written: ./davenport-lab
  --help, -h         show this
`

const REPLAY = `Usage: davenport lab replay FILE

Plays again what fuzz has found and written to FILE.

Exit status: 0 it does not go wrong any more, 1 it does, 2 FILE is no replay, or its store cannot be loaded.

  --help, -h         show this
`

const BENCH = `Usage: davenport lab bench --store STORE [--store STORE …] [options]

Each store does each workload in a process of its own, in rounds, the stores in turn within each. What a store does not promise
is left out, and said so.

Exit status: 0 all was measured, 1 something failed, 2 there is no such store, or it cannot be loaded.

${STORE}                     (those before the first --store are for all, others for the store before them)
  --workload NAME    all (the default), own, ycsb, or some of
${wrapped(
  WORKLOADS.map(({ name }) => name),
  21,
)}
                     apart by commas, or repeated
  --records NUMBER   documents and records that are loaded; 100000
  --rounds NUMBER    3
  --seconds NUMBER   of each workload in each round, and as much as a quarter before to warm up; 3
  --operations NUMBER  most of each workload, for short tries
  --openings NUMBER  how often a store is opened, and killed, in each round; 3
  --cache NUMBER     MiB for the store's own cache; 256
  --not-durable      writes need not be durable
  --distribution NAME  zipfian, uniform or latest for all of YCSB's workloads, in place of their own
  --seed NUMBER      1
  --folder FOLDER    where the stores are made: the file system is measured too; the system's for temporary files
  --json FILE        all figures of all rounds
  --html FILE        one page with plots
  --help, -h         show this
`

const COMPARE = `Usage: davenport lab compare A.json B.json

Tells for each figure of two runs of bench how many times A's B's is, with a 95 % interval: Welch's, of the logarithms of the
rounds' figures. Stores are matched by their names and settings; of files with one store each, those.

Exit status: 0 they were compared, 2 they cannot be.

  --help, -h         show this
`

const SHOW = `Usage: davenport lab show FILE [options]

Shows a file of native-free-btree under the names that FORMAT.md has: a database's, or an adapter's store.nfb. It only reads, and the
file may be open elsewhere. In a terminal one goes through it by keys; elsewhere the file, its superblocks and its last
group are printed, and of each tree the way from the root to the first leaf.

Exit status: 0 it was shown, 1 it is damaged there, 2 there is no such file or place.

  --at PLACE         superblocks; the position of a byte in a group; a node: TREE, or TREE/3/0 for the root's child 3's child 0
  --tree TREE --key KEY  the way from the root to the leaf where the key is or would be; KEY is text, or 0x and hex
  --help, -h         show this
`

/** Words apart by commas, in lines behind so many spaces. */
function wrapped(words: readonly string[], indent: number): string {
  const lines = ['']
  for (const word of words) {
    if (`${lines.at(-1)} ${word}`.length > LINE - indent) lines.push('')
    lines[lines.length - 1] += `${lines.at(-1) === '' ? '' : ' '}${word}`
  }
  return lines.map((line) => `${' '.repeat(indent)}${line}`).join('\n')
}

const COMMANDS: Readonly<Record<LabCommand, string>> = {
  check: CHECK,
  fuzz: FUZZ,
  replay: REPLAY,
  bench: BENCH,
  compare: COMPARE,
  show: SHOW,
}

export function labUsage(command?: LabCommand): string {
  return command === undefined ? MAIN : COMMANDS[command]
}
