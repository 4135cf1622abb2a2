/**
 * The target that must fail: the crash target on a disk whose syncs return without having done anything. A fuzzer
 * that lets this pass would let a forgotten sync pass as well.
 */
import type { FileSystem, OpenMode, StorageFile } from '../../native-free-btree/disk/file-system.ts'
import { CrashRun } from '../../test/support/crash-run.ts'
import type { SimulatedDisk } from '../../test/support/simulated-disk.ts'
import { playerOf, type Target } from '../target.ts'

function withoutSync(file: StorageFile): StorageFile {
  return {
    path: file.path,
    size: () => file.size(),
    isAt: (path) => file.isAt(path),
    readSync: (target, position) => file.readSync(target, position),
    read: (target, position) => file.read(target, position),
    write: (source, position) => file.write(source, position),
    truncate: (length) => file.truncate(length),
    sync: () => Promise.resolve(),
    close: () => file.close(),
  }
}

function withoutSyncs(disk: SimulatedDisk): FileSystem {
  return {
    open: async (path: string, mode: OpenMode) => withoutSync(await disk.open(path, mode)),
    exists: (path) => disk.exists(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
  }
}

export const canary: Target = {
  name: 'canary',
  summary: 'must fail: the crash target on a disk that ignores syncs',
  caseEvents: 60,
  smokeEvents: 600,
  rarePaths: [],
  open: playerOf(async (script) => {
    const run = new CrashRun(script.setup(), { fileSystem: withoutSyncs })
    await run.play(script.setup(), script.events())
  }),
}
