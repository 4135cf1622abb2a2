/** Decimals, most of which are their own canonical text: what is written of each is what its double is written as. */
import t from 'tap'
import { scanDocument } from '../../src/json/documents.ts'
import { floatText } from '../../src/json/float-text.ts'
import { Random } from '../../src/lab/random.ts'

function look(text: string): { text: string; term: string } {
  const scanned = scanDocument(Buffer.from(`{"a":${text}}`))!
  return { text: scanned.body.toString().slice('{"a":'.length, -1), term: scanned.term.toString('hex') }
}

/** The same by the engine's own reading. */
function wanted(text: string): { text: string; term: string } {
  const value = Number(text)
  const double = Buffer.alloc(8)
  double.writeDoubleBE(value)
  return {
    text: floatText(value),
    term: look('0.5').term.replace('463fe0000000000000', `46${double.toString('hex')}`),
  }
}

t.test('of all lengths', async (t) => {
  const random = new Random(1)
  const digit = (): string => String(random.int(10))
  const digits = (count: number): string => Array.from({ length: count }, digit).join('')
  for (let round = 0; round < 20_000; round++) {
    const whole = random.int(3) === 0 ? '0' : String(1 + random.int(9)) + digits(random.int(18))
    const fraction = digits(1 + random.int(random.int(4) === 0 ? 20 : 6))
    const power = random.int(10) === 0 ? `e${random.int(2) === 0 ? '-' : ''}${random.int(30)}` : ''
    const text = `${random.int(4) === 0 ? '-' : ''}${whole}.${fraction}${power}`
    const [found, right] = [look(text), wanted(text)]
    if (found.text !== right.text || found.term !== right.term) t.strictSame(found, right, text)
  }
})

t.test('at the edges', async (t) => {
  const texts = [
    '0.1',
    '0.10',
    '0.01',
    '0.09',
    '-0.5',
    '-0.0',
    '0.0',
    '1.0',
    '10.0',
    '100.0',
    '1000.0',
    '1.5e0',
    '1.5E1',
  ]
  texts.push(
    '12345678901234.5',
    '123456789012345.5',
    '0.12345678901234',
    '0.123456789012345',
    '0.1234567890123456',
  )
  texts.push('9007199254740991.5', '99999999999999.9', '999999999999999.9', '0.3', '2.675', '1.005')
  for (const text of texts) t.strictSame(look(text), wanted(text), text)
  for (const text of ['1.', '01.5', '-.5', '1.5.5', '1.5e', '1.e5', '-', '1.-5'])
    t.throws(() => look(text), text)
  t.strictSame(look('1.5 ').text, '1.5')
})
