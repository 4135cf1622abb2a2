/** The front's end of the line. */
import type { Channel } from '../workers/channel.ts'
import type { CoreCalls, CoreNotices, FrontCalls, FrontNotices } from './protocol.ts'

export interface FrontVocabulary {
  calls: FrontCalls
  notices: CoreNotices
}

export interface CoreVocabulary {
  calls: CoreCalls
  notices: FrontNotices
}

/** What a front asks and tells. */
export type Core = Pick<Channel<FrontVocabulary, CoreVocabulary>, 'call' | 'ask' | 'tell' | 'join'>
