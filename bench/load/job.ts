/** What the load process is asked to do: one cell of the table. */
export interface Job {
  readonly protocol: "http1" | "grpc" | "grpc-stream";
  /** `host:port` on this machine. */
  readonly address: string;
  /** Each with one request under way at any time. */
  readonly connections: number;
  /** Before counting begins. */
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly request: PreparedRequest;
}

/** One request, prepared once and sent over and over. */
export interface PreparedRequest {
  /** gRPC: `/package.Service/Method`; HTTP: the whole request line and all headers are in `bytes` already. */
  readonly path: string;
  /** gRPC: the bearer token. */
  readonly token: string;
  /** What goes over the wire (HTTP), or the message without its frame (gRPC), in base64. */
  readonly bytes: string;
  /** Bytes, in base64, that a success has in its body, and that an error has not. */
  readonly expected: string;
}

/** What came of a job. */
export interface JobResult {
  /** After the warm-up. */
  readonly requestsPerSecond: number;
  /** All that were answered, those of the warm-up too. */
  readonly requests: number;
  /** Milliseconds. */
  readonly p99: number;
  /** Answers that were not the expected success. */
  readonly errors: number;
  /** What was wrong with the first of them, cut short. */
  readonly firstError: string;
}
