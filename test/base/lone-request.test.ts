/** Who is alone with a thread. */
import t from 'tap'
import { isAlone, requestBegun, requestOver } from '../../src/base/lone-request.ts'

t.test('nobody is alone while no request is under way', async (t) => {
  t.notOk(isAlone())
})

t.test('one request after the other is, each time that is asked', async (t) => {
  for (let i = 0; i < 3; i++) {
    requestBegun()
    t.ok(isAlone())
    t.ok(isAlone())
    requestOver()
    t.notOk(isAlone())
  }
})

t.test('whoever asks while others do is not', async (t) => {
  requestBegun()
  requestBegun()
  t.notOk(isAlone())
  requestOver()
  t.ok(isAlone())
  requestOver()
})

t.test('nor is whoever asks in turns with others', async (t) => {
  isAlone()
  for (let i = 0; i < 3; i++) {
    requestBegun()
    requestOver()
    requestBegun()
    t.notOk(isAlone())
    requestOver()
  }
})
