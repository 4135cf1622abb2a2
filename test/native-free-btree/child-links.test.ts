/** Links from cached inner pages to the cached pages of their children: each leads to the page that the child's pointer names. */
import { join } from 'node:path'
import t from 'tap'
import type { CacheSpace } from '../../native-free-btree/cache/page-cache.ts'
import type { PageRoom } from '../../native-free-btree/cache/page-rooms.ts'
import { openStore, PageCache, type Snapshot } from '../../native-free-btree/index.ts'
import { isLeaf } from '../../native-free-btree/page/layout.ts'
import { readPointer } from '../../native-free-btree/page/pointer.ts'
import '../support/poisoned-pages.ts'
import { propertySeed } from '../support/property-seed.ts'
import { Random } from '../support/random.ts'

t.setTimeout(300_000)

const MIB = 1024 * 1024
const ENTRIES = 30_000
const keyOf = (n: number): Buffer => Buffer.from(`entry-${String(n).padStart(8, '0')}`)
const bodyOf = (n: number, version: number): Buffer => Buffer.alloc(100, `${n}.${version};`)

/** A cache whose pages can be looked at. */
class OpenCache extends PageCache {
  readonly spaces: CacheSpace[] = []

  override space(): CacheSpace {
    const space = super.space()
    this.spaces.push(space)
    return space
  }

  /** How many links there are; what is wrong with some. */
  links(): { count: number; wrong: string[] } {
    const wrong: string[] = []
    let count = 0
    for (const space of this.spaces) {
      for (let room: PageRoom | undefined = space.first; room !== undefined; room = room.behind) {
        const { parent, slot, children } = room
        if (parent !== undefined && parent.children?.[slot] !== room)
          wrong.push('a parent knows no such child')
        if (parent !== undefined && parent.owner !== space) wrong.push('a parent is not in the cache')
        if (children !== undefined && isLeaf(room.page)) wrong.push('a leaf has children')
        children?.forEach((child, index) => {
          if (room!.childPages?.[index] !== child?.page) wrong.push('the page of a child is not its own')
          if (child === undefined && room!.childUses?.[index] !== 0) wrong.push('who is not there is used')
          if (child === undefined) return
          count += 1
          if (child.parent !== room || child.slot !== index) wrong.push('a child knows no such parent')
          if (space.kept(readPointer(room!.page, index, false).position) !== child) {
            wrong.push('a child is another page than its pointer names')
          }
        })
      }
    }
    return { count, wrong }
  }
}

t.test('pages come and go, are changed and move, while roots old and new are read', async (t) => {
  const random = new Random(propertySeed(t))
  const cache = new OpenCache(MIB)
  const path = join(t.testdir(), 'store')
  const store = await openStore(path, { trees: { entries: {} }, cache, dirtyBytes: 256 * 1024 })
  const model = new Map<number, number>()
  for (let from = 0; from < ENTRIES; from += 1000) {
    await store.transact((tx) => {
      for (let n = from; n < from + 1000; n++) {
        model.set(n, 0)
        tx.put('entries', keyOf(n), bodyOf(n, 0))
      }
    })
  }
  await store.checkpoint()
  const snapshots: { snapshot: Snapshot; model: Map<number, number> }[] = []
  const wrong: string[] = []
  let most = 0
  const look = (found: Buffer | undefined, n: number, version: number): void => {
    if (!found?.equals(bodyOf(n, version))) wrong.push(`entry ${n} is not of version ${version}`)
  }
  for (let round = 1; round <= 120; round++) {
    if (random.int(8) === 0) snapshots.push({ snapshot: store.snapshot(), model: new Map(model) })
    if (snapshots.length > 3) snapshots.shift()?.snapshot.close()
    if (random.int(3) === 0) {
      await store.transact((tx) => {
        for (let i = 0; i < 30; i++) {
          const n = random.int(ENTRIES)
          model.set(n, round)
          tx.put('entries', keyOf(n), bodyOf(n, round))
        }
      })
    }
    if (random.int(5) === 0) await store.checkpoint()
    const near = random.int(ENTRIES)
    for (let i = 0; i < 400; i++) {
      // All over the tree, so that pages go; and in one place again and again, so that links are followed.
      const n = random.int(2) === 0 ? random.int(ENTRIES) : (near + random.int(200)) % ENTRIES
      look(store.get('entries', keyOf(n)), n, model.get(n)!)
      for (const one of snapshots) look(one.snapshot.tree('entries').get(keyOf(n)), n, one.model.get(n)!)
    }
    const links = cache.links()
    most = Math.max(most, links.count)
    wrong.push(...links.wrong)
  }
  t.same(wrong.slice(0, 5), [])
  t.ok(most > 50, `${most} links at the most`)
  t.ok(cache.evictions > 1000, `${cache.evictions} pages went`)
  for (const { snapshot } of snapshots) snapshot.close()
  await store.close()
  t.same(cache.links(), { count: 0, wrong: [] })
})
