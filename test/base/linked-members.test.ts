/** Members in the order of their coming, held against a Set. */
import t from 'tap'
import { type Linked, LinkedMembers } from '../../src/base/linked-members.ts'
import { Random } from '../support/random.ts'

interface Member extends Linked<Member> {
  readonly name: number
}

function made(name: number): Member {
  return { name, isListed: false, previous: undefined, next: undefined }
}

t.test('they come and go as of a Set', async (t) => {
  const random = new Random(7)
  const all = Array.from({ length: 12 }, (_, name) => made(name))
  const list = new LinkedMembers<Member>()
  const model = new Set<Member>()
  let wrong = 0
  for (let step = 0; step < 5000; step++) {
    const member = all[random.int(all.length)]!
    if (random.int(2) === 0) {
      list.add(member)
      model.add(member)
    } else {
      list.delete(member)
      model.delete(member)
    }
    const names = list.list().map(({ name }) => name)
    if (names.join() !== [...model].map(({ name }) => name).join()) wrong += 1
    if (list.first !== [...model][0]) wrong += 1
  }
  t.equal(wrong, 0)
})

t.test('who has gone leads to no other', async (t) => {
  const [a, b, c] = [made(0), made(1), made(2)]
  const list = new LinkedMembers<Member>()
  for (const each of [a, b, c]) list.add(each)
  list.delete(b)
  t.equal(b.previous, undefined)
  t.equal(b.next, undefined)
  t.same(
    list.list().map(({ name }) => name),
    [0, 2],
  )
  list.delete(a)
  list.delete(c)
  t.equal(list.first, undefined)
})
