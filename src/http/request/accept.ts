/**
 * Whether the Accept header takes a media type; without the header everything is taken. Only what CouchDB
 * decides by: JSON or multipart. A type with `q=0` is refused, a more specific range wins.
 */
export function accepts(header: string | undefined, type: string): boolean {
  if (header === undefined) return true
  const [family] = type.split('/')
  let best = -1
  let taken = false
  for (const item of header.split(',')) {
    const [range, ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
    const weight =
      range === type ? 2 : range === `${family}/*` ? 1 : range === '*/*' || range === '*' ? 0 : -1
    if (weight < 0 || weight < best) continue
    best = weight
    taken = !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
  }
  return taken
}
