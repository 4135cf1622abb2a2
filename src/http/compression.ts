/**
 * Which attachments are stored gzipped, by CouchDB's settings `[attachments] compressible_types` and
 * `compression_level`: a list of media types with `*` as a wildcard, matched without their parameters.
 */
export class AttachmentCompression {
  readonly #types: RegExp[]
  readonly #level: number

  constructor(types: string, level: number) {
    this.#level = level
    this.#types = types
      .split(',')
      .map((type) => type.trim())
      .filter((type) => type !== '')
      .map((type) => {
        const pattern = type.replace(/[^*\w\s/-]/g, '\\$&').replaceAll('*', '.*')
        return new RegExp(`^${pattern}$`, 'i')
      })
  }

  /** Undefined: such content is stored as it is. */
  levelFor(contentType: string): number | undefined {
    if (this.#level === 0) return undefined
    const [type] = contentType.split(';', 1)
    return this.#types.some((each) => each.test(type!.trim())) ? this.#level : undefined
  }
}
