const MINUTES_PER_HOUR = 60

/** Minutes of the day, local time: `fromMinute` included, `toMinute` not; over midnight where `to` is not behind `from`. */
export interface DayWindow {
  fromMinute: number
  toMinute: number
}

/** "22:00-06:00"; undefined for any other text. */
export function parseDayWindow(text: string): DayWindow | undefined {
  const match = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/.exec(text)
  if (match === null) return undefined
  const [fromHour, fromMinute, toHour, toMinute] = match.slice(1).map(Number)
  return {
    fromMinute: fromHour! * MINUTES_PER_HOUR + fromMinute!,
    toMinute: toHour! * MINUTES_PER_HOUR + toMinute!,
  }
}

/** Whether the time of day at `ms`, milliseconds since the epoch, is in the window. */
export function isWithin({ fromMinute, toMinute }: DayWindow, ms: number): boolean {
  const time = new Date(ms)
  const minute = time.getHours() * MINUTES_PER_HOUR + time.getMinutes()
  return fromMinute < toMinute
    ? minute >= fromMinute && minute < toMinute
    : minute >= fromMinute || minute < toMinute
}
