/** How a reader wants attachments. */
export interface AttachmentWish {
  /** Data inline in base64, or in parts that follow; undefined for stubs. */
  data?: 'inline' | 'follows' | undefined
  /** Data only of those that are newer than the newest of these revisions in the document's history. */
  since?: readonly string[] | undefined
  encodingInfo?: boolean | undefined
}
