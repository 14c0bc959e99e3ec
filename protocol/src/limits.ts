/** Every limit of the wire in one place. An error that reports one names it. Sizes in bytes, times in ms. */
export const LIMITS = {
  /** The largest frame either side takes. */
  maxFrameBytes: 1_048_576,
  /** A payload (input, output, chunk) travels in a message up to this size, above it as a blob. */
  maxInlineBytes: 65_536,
  maxBlobBytes: 50 * 1_048_576,
  /** The blobs that one task's input, or its output, may name. */
  maxBlobsPerTask: 64,
  /** Payload bytes of one stream data frame. */
  streamFrameBytes: 16_384,
  /** What a stream's receiver grants at first. */
  streamWindowBytes: 262_144,
  /** Streams that one session may have open at once. */
  maxStreams: 64,
  /** Tasks in one `submit`, items in every other list of a message. */
  maxItems: 1_000,
  maxNameLength: 128,
  maxTextLength: 2_000,
  /** Lines of a worker's log in one answer. */
  maxLogLines: 1_000,
  /** Nesting of a JSON frame or payload. */
  maxDepth: 64,
} as const;
