import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TimestampSchema } from "@bufbuild/protobuf/wkt";

type TimestampInit = MessageInitShape<typeof TimestampSchema>;

/** Milliseconds since 1970 as a message. Not negative. */
export function timestamp(ms: number): TimestampInit {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}

/** A field that is left out when its time is 0. */
export function optionalTimestamp<N extends string>(name: N, ms: number): { [K in N]?: TimestampInit } {
  return ms === 0 ? {} : ({ [name]: timestamp(ms) } as { [K in N]: TimestampInit });
}
