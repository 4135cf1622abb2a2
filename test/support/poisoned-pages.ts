/** Whoever looks at a page that was given back finds nonsense, not what it held: in whatever imports this. */
import { PageRooms } from '../../native-free-btree/cache/page-rooms.ts'
import { pagePool } from '../../native-free-btree/page/pool.ts'

pagePool.poisons = true
PageRooms.poisons = true
