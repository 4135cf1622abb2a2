import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'

/** The repository: this file is compiled to dist/test/support/. */
export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url))

/** What stands in a working folder and does not come with a clone. */
const NOT_CLONED = new Set(['.git', '.tap', 'data', 'dist', 'node_modules'])

/** A folder outside the repository, whose packages would be found from below it; removed after the test. */
export function outsideFolder(t: Pick<Test, 'teardown'>): string {
  const folder = mkdtempSync(join(tmpdir(), 'davenport-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Makes `clone`: this repository as it is cloned, not built, with the packages installed. `except` are paths in it. */
export function makeClone(clone: string, except: readonly string[] = []): void {
  cpSync(REPOSITORY, clone, {
    recursive: true,
    filter: (path) => {
      const name = basename(path)
      return (
        !NOT_CLONED.has(name) && !name.startsWith('.aside-') && !except.includes(relative(REPOSITORY, path))
      )
    },
  })
  symlinkSync(join(REPOSITORY, 'node_modules'), join(clone, 'node_modules'))
}
