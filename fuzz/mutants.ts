/**
 * Bugs that somebody might well write: each breaks one rule of the commit and recovery protocol (FORMAT.md, "Commit"
 * and "Opening"), or one check of what is read. `find` must occur exactly once in the compiled file.
 */
export interface Mutant {
  readonly name: string
  /** The rule that it breaks. */
  readonly rule: string
  /** The target that should find it. */
  readonly target: string
  /** Below dist/. */
  readonly file: string
  readonly find: string
  readonly replace: string
  /** What else keeps the promise when this rule is broken: such a mutant may survive, alone. */
  readonly backedBy?: string
}

const GROUPS = 'native-free-btree/write/group-commit.js'
const TAIL = 'native-free-btree/write/tail.js'
const CHECKPOINTS = 'native-free-btree/write/checkpoint-pacing.js'
const SUPERBLOCKS = 'native-free-btree/write/superblock-writes.js'
const RECOVERY = 'native-free-btree/log/recovery.js'
const CREATE = 'native-free-btree/store/create.js'
const STORE = 'native-free-btree/store/read-write-store.js'
const SUCCESSOR = 'native-free-btree/store/successor.js'
const TRANSACTION = 'native-free-btree/write/transaction.js'
const CALLBACKS = 'native-free-btree/callbacks.js'
const DATABASE_FILES = 'src/server/database-files.js'
const PAGES = 'native-free-btree/cache/page-source.js'
const NODES = 'native-free-btree/tree/changeable-nodes.js'
const WALK = 'native-free-btree/log/walk.js'

const COMMIT_SYNC = `        if (!(await tail.sync())) {
            reject(taken, tail.poisoned);`

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'commit-not-synced',
    rule: 'a commit is acknowledged after its sync',
    target: 'crash',
    file: GROUPS,
    find: COMMIT_SYNC,
    replace: `        if (tail.poisoned !== undefined) {
            reject(taken, tail.poisoned);`,
  },
  {
    name: 'applied-before-sync',
    rule: 'no reader sees a commit before its sync returned',
    target: 'crash',
    file: GROUPS,
    find: COMMIT_SYNC,
    replace: `        this.#apply();\n${COMMIT_SYNC}`,
  },
  {
    name: 'failed-sync-retried',
    rule: 'after a failed sync a second one proves nothing',
    target: 'crash',
    file: TAIL,
    find: "            this.poison('a sync failed', error);",
    replace: `            if (await this.#file.sync().then(() => true, () => false))
                return true;
            this.poison('a sync failed', error);`,
  },
  {
    name: 'chunks-not-covered',
    rule: 'durableEnd and superblocks name no chunk group before a sync covered it',
    target: 'crash',
    file: TAIL,
    find: `    wrote(next) {
        this.#written = next;`,
    replace: `    wrote(next) {
        this.#written = next;
        this.#durable = next;`,
  },
  {
    name: 'superblock-names-unsynced',
    rule: 'a superblock names only what was durable when its own write was issued',
    target: 'crash',
    file: TAIL,
    find: `        if (this.#written.end !== this.#durable.end && !(await this.sync()))
            return false;
        this.#writtenIsDurable();`,
    replace: '        this.#writtenIsDurable();',
  },
  {
    name: 'superblock-one-group-early',
    rule: 'a superblock names a checkpoint only when the group with its record is durable',
    target: 'crash',
    file: GROUPS,
    find: COMMIT_SYNC,
    replace: `        if (checkpoint !== this.#checkpoints.newest) {
            await tail.superblocks.write({
                flags: 0,
                durable: tail.durable,
                commit: tail.commit,
                checkpoint,
                replay: this.#checkpoints.replay,
            });
        }
${COMMIT_SYNC}`,
  },
  {
    name: 'replay-behind-the-checkpoint',
    rule: 'replay begins behind the frozen commit, not behind the record that completes the checkpoint',
    target: 'crash',
    file: CHECKPOINTS,
    find: 'this.#logBytes === 0 ? { position: at.end, previousHash: at.lastHash } : running.replay;',
    replace: '{ position: at.end, previousHash: at.lastHash };',
  },
  {
    name: 'both-slots-at-once',
    rule: 'a superblock slot is not touched until a sync has returned after the write of the other',
    target: 'crash',
    file: SUPERBLOCKS,
    find: '            await this.#file.write(bytes, SUPERBLOCK_POSITIONS[slot]);\n',
    replace: `            await this.#file.write(bytes, SUPERBLOCK_POSITIONS[slot]);
            await this.#file.write(bytes, SUPERBLOCK_POSITIONS[1 - slot]);
`,
  },
  {
    name: 'generation-not-raised',
    rule: 'a writer raises the generation before its first group',
    target: 'crash',
    file: TAIL,
    find: '        this.superblocks.generation += 1;\n',
    replace: '',
  },
  {
    name: 'generation-not-synced',
    rule: 'the superblock with the next generation is synced before the first group',
    target: 'crash',
    file: TAIL,
    find: `        if (!(await this.sync()))
            return this.#poisoned;
        this.#announcedEnd = this.#durable.end;`,
    replace: '        this.#announcedEnd = this.#durable.end;',
  },
  {
    name: 'clean-flag-early',
    rule: 'the flag of a good close is written at the close alone',
    target: 'crash',
    file: TAIL,
    find: '        const failure = await this.syncedSuperblock(0);',
    replace: '        const failure = await this.syncedSuperblock(SUPERBLOCK_CLEAN);',
    backedBy: 'recovery, which heeds the flag only where no group follows',
  },
  {
    name: 'room-over-group',
    rule: 'room is made behind a group, never over it',
    target: 'crash',
    file: TAIL,
    find: 'await this.#file.write(ZEROS.subarray(0, room - at), end + at)',
    replace: 'await this.#file.write(ZEROS.subarray(0, room - at), end + at - 8)',
  },
  {
    name: 'failed-write-not-cut-back',
    rule: 'a group whose write failed is cut off again',
    target: 'crash',
    file: TAIL,
    find: '            await this.#file.truncate(this.#written.end);\n',
    replace: '',
  },
  {
    name: 'cut-back-keeps-generation',
    rule: 'behind a cut the generation is raised: a cut block may show its bytes again',
    target: 'crash',
    file: TAIL,
    find: '        this.#generationStarted = false;\n',
    replace: '',
  },
  {
    name: 'payload-not-checked',
    rule: 'a group counts when the hash of its records holds',
    target: 'crash',
    file: WALK,
    find: 'return payloadMatches(header, payload) ? { header, payload } : undefined;',
    replace: 'return { header, payload };',
  },
  {
    name: 'chain-not-checked',
    rule: 'a group counts when it names the hash of the group before it',
    target: 'crash',
    file: WALK,
    find: 'header.previousHash !== state.lastHash || ',
    replace: '',
    backedBy: 'positions, salt and generations',
  },
  {
    name: 'parts-without-commit',
    rule: 'parts without their commit group mean nothing',
    target: 'crash',
    file: WALK,
    find: 'return this.#parts > 0 ? this.#beforeParts : this.#state;',
    replace: 'return this.#state;',
  },
  {
    name: 'tail-not-cut',
    rule: 'what lies behind the last whole group is cut off',
    target: 'crash',
    file: RECOVERY,
    find: '        await file.truncate(end);\n        await file.sync();\n',
    replace: '',
    backedBy:
      'the generation and the chain: what is left behind the end follows from no group that is written there',
  },
  {
    name: 'cut-not-synced',
    rule: 'the cut is synced before anything else is written',
    target: 'crash',
    file: RECOVERY,
    find: '        await file.truncate(end);\n        await file.sync();\n',
    replace: '        await file.truncate(end);\n',
    backedBy: 'the generation, whose superblock is synced before the first group',
  },
  {
    name: 'tail-not-rewritten',
    rule: 'groups that nothing vouches for are written again: the page cache may show what the disk has not',
    target: 'crash',
    file: RECOVERY,
    find: '    if (located.durableEnd >= end)\n        return;',
    replace: '    if (located.durableEnd >= 0)\n        return;',
  },
  {
    name: 'newest-slot-not-rewritten',
    rule: 'so is the newest superblock, before the other slot is touched',
    target: 'crash',
    file: RECOVERY,
    find: '    if (!located.clean)\n        await rewriteNewestSlot(file, located);\n',
    replace: '',
    backedBy: 'the walk from the genesis group, which needs neither slot',
  },
  {
    name: 'named-before-synced',
    rule: 'a new file is synced before it gets its name',
    target: 'crash',
    file: CREATE,
    find: '        await file.sync();\n',
    replace: '',
  },
  {
    name: 'folder-not-synced',
    rule: 'the folder of a new file is synced before it counts as made',
    target: 'database',
    file: CREATE,
    find: '    await fileSystem.syncDirectory(folderOf(path));\n',
    replace: '',
  },
  {
    name: 'created-name-not-synced',
    rule: 'the folder of a database is synced before its creation is answered',
    target: 'syscalls',
    file: DATABASE_FILES,
    find: 'await changeNames(dirname(path), async () => {\n                await rename(',
    replace: 'await ((_, change) => change())(dirname(path), async () => {\n                await rename(',
  },
  {
    name: 'deleted-name-not-synced',
    rule: 'the folder of a database is synced before its deletion is answered',
    target: 'syscalls',
    file: DATABASE_FILES,
    find: 'await changeNames(dirname(path), async () => {\n                await rm(',
    replace: 'await ((_, change) => change())(dirname(path), async () => {\n                await rm(',
  },
  {
    name: 'no-sync-call',
    rule: 'the sync of a file calls fdatasync',
    target: 'syscalls',
    file: 'native-free-btree/disk/posix-file.js',
    find: 'return this.tracked(() => callVoid((end) => fs.fdatasync(this.descriptor, end)));',
    replace: 'return;',
  },
  {
    name: 'evidence-ignored',
    rule: 'where something vouches for bytes behind the end, that is damage and no torn tail',
    target: 'corruption',
    file: RECOVERY,
    find: '        if (damage === undefined)\n            break;',
    replace: '        break;',
  },
  {
    name: 'reader-trusts-the-tail',
    rule: 'a reader beside a writer shows only what something later vouches for, or what it has synced itself',
    target: 'readers',
    file: RECOVERY,
    find: '(await syncedTo(file, identity.salt, walk.end))',
    replace: 'true',
  },
  {
    name: 'operation-not-whole',
    rule: 'an operation that throws takes nothing of itself into the group',
    target: 'misuse',
    file: TRANSACTION,
    find: 'this.#builder.rollback(this.#before);',
    replace: '',
  },
  {
    name: 'promise-taken',
    rule: 'a build that returns a promise is refused',
    target: 'misuse',
    file: TRANSACTION,
    find: 'if (isThenable(result))',
    replace: 'if (false)',
  },
  {
    name: 'pointer-handed-out',
    rule: 'what a caller is given is no part of what the writer goes on with',
    target: 'misuse',
    file: STORE,
    find: 'checkpoint: { ...writer.newestCheckpoint }',
    replace: 'checkpoint: writer.newestCheckpoint',
  },
  {
    name: 'pages-for-callbacks',
    rule: 'callbacks are given copies',
    target: 'misuse',
    file: CALLBACKS,
    find: 'comparator.compare(new Uint8Array(a), new Uint8Array(b))',
    replace: 'comparator.compare(a, b)',
  },
  {
    name: 'callback-calls',
    rule: 'callbacks do not call the library',
    target: 'misuse',
    file: CALLBACKS,
    find: '    if (!isRunning)\n        return;',
    replace: '    return;',
  },
  {
    name: 'broken-filling-goes-on',
    rule: 'a file whose filling failed has to be opened again',
    target: 'misuse',
    file: 'native-free-btree/copy/new-file.js',
    find: '        if (this.#broken !== undefined)\n            throw this.#broken;',
    replace: '',
  },
  {
    name: 'creation-left',
    rule: 'a creation that fails leaves no file',
    target: 'misuse',
    file: CREATE,
    find: 'await fileSystem.remove(temporary).catch(() => undefined);',
    replace: '',
  },
  {
    name: 'value-not-checked',
    rule: 'a value is verified when it is read',
    target: 'corruption',
    file: 'native-free-btree/values/values.js',
    find: `    if (hashLow !== readU32(bytes, offset + 5) || hashHigh !== readU32(bytes, offset + 9)) {
        return 'its checksum does not match';
    }
    if (hashLow !== check)
        return 'it is not the one referred to';
`,
    replace: '',
  },
  {
    name: 'base-not-checked',
    rule: 'the base of a patch is verified like any other page',
    target: 'corruption',
    file: PAGES,
    find: '        const base = this.#readVerified(place.position, place.length, place.hash, offset);\n',
    replace: `        const base = Buffer.allocUnsafeSlow(place.length);
        this.file.readSync(base, place.position);\n`,
  },
  {
    name: 'cached-page-changed',
    rule: 'a page of the cache is changed in a copy',
    target: 'btree',
    file: PAGES,
    find: 'MutableNode.fromPage(cached, pointer, epoch, bytes)',
    replace: 'MutableNode.fromOwnPage(cached, pointer, epoch)',
  },
  {
    name: 'changed-under-a-share',
    rule: 'a node that a snapshot or a checkpoint can see is copied before it is changed',
    target: 'btree',
    file: NODES,
    find: 'return node.pointer === undefined && node.epoch > this.#shares.newestEpoch;',
    replace: 'return node.pointer === undefined;',
  },
  {
    name: 'leaf-kept-through-a-split',
    rule: 'a leaf found before the commit is used only while it is the place of its key',
    target: 'btree',
    file: NODES,
    find: 'leaf === undefined || leaf.moved || !this.#isChangeable(leaf)',
    replace: 'leaf === undefined || !this.#isChangeable(leaf)',
  },
  {
    name: 'removed-cell-not-noted',
    rule: 'a patch leaves out every cell of the base that is gone',
    target: 'btree',
    file: 'native-free-btree/page/cell-page.js',
    find: '            origin.noteRemoved(page, index);\n',
    replace: '            origin.baseTop;\n',
  },
  {
    name: 'changed-payload-not-noted',
    rule: 'a patch repeats every payload of the base that has changed',
    target: 'btree',
    file: 'native-free-btree/page/cell-page.js',
    find: 'origin.noteChanged(page, index);',
    replace: 'origin.baseTop;',
  },
  {
    name: 'page-reused-under-a-snapshot',
    rule: 'a page that a cursor may stand on is used for nothing else',
    target: 'btree',
    file: 'native-free-btree/page/pool.js',
    find: 'this.readers > 0 || length',
    replace: 'length',
  },
  {
    name: 'cursor-stays-on-pages',
    rule: 'a cursor takes its pages anew when their memory may have been used for others',
    target: 'btree',
    file: 'native-free-btree/tree/cursor.js',
    find: 'if (this.#generation === generation)',
    replace: 'if (generation >= 0)',
  },
  {
    name: 'page-given-back-twice',
    rule: 'a page has one owner, who gives it back once',
    target: 'btree',
    file: 'native-free-btree/page/cell-page.js',
    find: 'pagePool.giveBack(old);',
    replace: 'pagePool.giveBack(old), pagePool.giveBack(old);',
  },
  {
    name: 'swap-not-synced',
    rule: "a swapped file's name is durable before anything in it is acknowledged",
    target: 'compaction',
    file: SUCCESSOR,
    find: 'await fileSystem.syncDirectory(folderOf(name));\n        return true;',
    replace: 'return true;',
  },
  {
    name: 'name-not-synced-at-opening',
    rule: 'a name that was in doubt is durable before the first group',
    target: 'compaction',
    file: STORE,
    find: ': () => fileSystem.syncDirectory(folderOf(absolute))',
    replace: ': undefined',
  },
  {
    name: 'turn-given-back-early',
    rule: 'the old file takes no group while the name changes hands',
    target: 'compaction',
    file: SUCCESSOR,
    find: "state = 'replacing';",
    replace: "state = 'replacing'; giveBack();",
  },
  {
    name: 'last-changes-left-out',
    rule: 'the rest of the log is in the new file before it takes the name',
    target: 'compaction',
    file: 'native-free-btree/copy/compact.js',
    find: 'await this.#follow(end, false);',
    replace: '',
  },
  {
    name: 'published-late',
    rule: 'a commit is published to other threads before it is acknowledged',
    target: 'threads',
    file: 'native-free-btree/write/pump.js',
    find: 'const onDurable = () => this.#progress?.publish(this.#durableFacts)',
    replace: 'const onDurable = () => setTimeout(() => this.#progress?.publish(this.#durableFacts), 5)',
  },
  {
    name: 'lease-not-caught-up',
    rule: 'a lease of a database that has to catch up does so first',
    target: 'threads',
    file: 'src/threads/front-databases.js',
    find: 'isToWrite ? database.knowsRules : database.isFresh',
    replace: 'true',
  },
  {
    name: 'security-kept',
    rule: 'what a thread keeps of the settings is no older than what anybody was told',
    target: 'threads',
    file: 'src/database/write/settings.js',
    find: '}, sizeHint);\n            this.#words.raiseSettings();',
    replace: '}, sizeHint);',
  },
]
