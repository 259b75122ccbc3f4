import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TimestampSchema } from "@bufbuild/protobuf/wkt";

/** Milliseconds since 1970 as a message. Not negative. */
export function timestamp(ms: number): MessageInitShape<typeof TimestampSchema> {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
