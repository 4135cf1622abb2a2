/** When answers leave: together at the end of a turn, or at once where nobody else is answered. */
import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { endWithTurn } from '../../src/http/listen/turn-end.ts'

/** What has left, in order. */
const sent: string[] = []
const response = { end: (body: string) => void sent.push(body) } as unknown as ServerResponse

async function turnOf(...bodies: string[]): Promise<string> {
  sent.length = 0
  for (const body of bodies) endWithTurn(response, body)
  const before = sent.join('')
  await nextTurn()
  return `${before}|${sent.join('')}`
}

t.test('answers of one turn leave at its end, in order', async (t) => {
  t.equal(await turnOf('a', 'b', 'c'), '|abc')
  t.equal(await turnOf('d'), '|d')
  t.equal(await turnOf('e', 'f'), '|ef')
})

t.test('who has been alone for some turns waits for nobody', async (t) => {
  for (let turn = 0; turn < 8; turn++) t.equal(await turnOf('a'), '|a', `turn ${turn}`)
  t.equal(await turnOf('b'), 'b|b')
  t.equal(await turnOf('c', 'd', 'e'), 'c|cde', 'the others wait for each other, behind him')
  t.equal(await turnOf('f'), '|f', 'and then he does')
  t.equal(await turnOf('g', 'h'), '|gh')
})

t.test('no answer waits for more than fifteen others', async (t) => {
  const many = Array.from({ length: 18 }, (_, i) => String.fromCharCode(97 + i))
  t.equal(await turnOf(...many), 'abcdefghijklmnop|abcdefghijklmnopqr')
})
