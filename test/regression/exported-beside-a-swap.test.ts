/** A snapshot that was exported while a compaction took the store's name had the new file's salt and the old one's checkpoint. */
import t from 'tap'
import { NewFile, openSnapshot, openStore } from '../../native-free-btree/index.ts'

const TREES = { t: {} }
const key = Buffer.from('k')

t.test('what is exported beside a swap can be opened', async (t) => {
  const path = `${t.testdir()}/s`
  const store = await openStore(path, { trees: TREES })
  t.teardown(() => store.close())
  for (let round = 0; round < 5; round++) {
    await store.transact((tx) => tx.put('t', key, Buffer.from(`round ${round}`)))
    const file = await NewFile.open(path, { uuid: store.uuid, salt: store.salt }, { trees: TREES })
    await file.fill((filling) => filling.add('t', key, Buffer.from(`round ${round}`)))
    await file.finishLoad('t')
    await file.finish()
    await store.transact((tx) => tx.put('t', key, Buffer.from(`round ${round}`)))
    const turn = await store.turn()
    const swapped = turn.replaceWith(file.path)
    const exported = Promise.all([store.exportSnapshot(), store.exportSnapshot()])
    await swapped
    for (const handle of await exported) {
      t.equal(handle.salt, store.salt)
      const snapshot = await openSnapshot(handle, { trees: TREES })
      t.equal(snapshot.tree('t').get(key)?.toString(), `round ${round}`)
      await snapshot.close()
    }
  }
})
