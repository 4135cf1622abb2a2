/**
 * The bytes of a sort key: what a row's key begins with. It says where the key's JSON value stands among others, so that
 * mostly the order of the bytes is the order of the values. A value is a row of tokens, each behind a tag:
 *
 *   null, false, true   the tag alone
 *   number              8 bytes: the double, big-endian, with its sign turned over, or all of it where it is negative;
 *                       from 2^53 on, but not for what is infinite as a double, what an integer is more than that:
 *                       128 and its length in bytes, and these; or 128 less that length, and they turned over
 *   string              the weights of its characters, where they decide (ascii-weights.ts); else TEXT
 *   text                as `inOrderOfText` has it: a varint, twice the number of UTF-16 units and 1 where they have two bytes each; the units
 *   array               its elements; END
 *   object              its members in the order of the text, names as strings before their values; END
 *
 * Tags ascend in the order of the types, and END is below them, so that what is a beginning of the other comes first.
 * A TEXT differs from a STRING in a bit that the order does not look at. A sort key with a TEXT in it has that bit in its
 * first byte, too: those without it are ordered bytewise among each other. No sort key is the beginning of another.
 *
 * In a partitioned index PARTITION comes first, with the bytes of the partition's name and a colon. Of a longer name than
 * PARTITION_BYTES there are so many, CUT, and the SHA-256 of the whole in hex.
 *
 * The raw order, that of Erlang's terms, has tags of its own. There a string is its UTF-8, ended by a zero; zeros and ones
 * in it are written as 1, 1 and 1, 2. All of its sort keys are ordered bytewise.
 *
 * A sort key longer than SORT_KEY_BYTES is cut there: CUT and the SHA-256 of the whole follow. Those that agree so far
 * are in the order of their hashes, so equal bytes are still those of equal keys.
 */
export const END = 0x01
export const NULL = 0x02
export const FALSE = 0x03
export const TRUE = 0x04
export const NUMBER = 0x05
export const STRING = 0x06
export const ARRAY = 0x07
export const OBJECT = 0x08
export const PARTITION = 0x09

export const RAW_NUMBER = 0x22
export const RAW_FALSE = 0x23
export const RAW_NULL = 0x24
export const RAW_TRUE = 0x25
export const RAW_OBJECT = 0x26
export const RAW_ARRAY = 0x27
export const RAW_STRING = 0x28

/** The bit of a text's tag, and of the first byte of a sort key that has one. */
export const BY_TEXT = 0x80
export const TEXT = STRING | BY_TEXT

export const CUT = 0xfe
/** Above all tokens, and above every byte of an id. */
export const AFTER_ALL = 0xff

export const PARTITION_BYTES = 1024
export const SORT_KEY_BYTES = 24_576
export const HASH_BYTES = 32
/** Of a sort key that was cut, the longest that there are. */
export const MOST_SORT_KEY_BYTES = SORT_KEY_BYTES + 1 + HASH_BYTES

export const REST_ZERO = 0x80

/** Whether a rest follows the double that begins with these two bytes, in a sort key. */
export function hasRest(first: number, second: number): boolean {
  const high = first * 256 + second
  return (high >= 0xc340 && high < 0xfff0) || (high <= 0x3cbf && high > 0x000f)
}
