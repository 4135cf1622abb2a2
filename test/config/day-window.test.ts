import t from 'tap'
import { isWithin, parseDayWindow } from '../../src/config/day-window.ts'

t.test('the hours of the window', async (t) => {
  const at = (hours: number, minutes = 0): number => new Date(2026, 1, 3, hours, minutes).getTime()
  const night = parseDayWindow('22:00-06:30')!
  t.same(
    [21, 22, 3, 6, 7].map((hours) => isWithin(night, at(hours))),
    [false, true, true, true, false],
  )
  t.equal(isWithin(night, at(6, 30)), false)
  const noon = parseDayWindow('12:00-13:00')!
  t.same(
    [11, 12, 13].map((hours) => isWithin(noon, at(hours))),
    [false, true, false],
  )
  for (const text of ['', '25:00-26:00', '12:00', '1:00-2:00']) t.equal(parseDayWindow(text), undefined, text)
})
