import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { wipe } from "./kdf.ts";

/** What the writer of Protocol Buffers keeps to itself. */
interface WriterInternals {
  buffer: Uint8Array;
  pos: number;
  ensureCapacity(size: number): void;
  finish(): Uint8Array;
}

/**
 * Has the encoder of Protocol Buffers zero its own memory. It writes each message into a buffer that grows, gives a copy of it,
 * and lets go of the buffer as it is: of the keyring, of a key's backup and of every plaintext that leaves over gRPC, a copy
 * would stay in freed memory until something else is written there. Called once, at the start of a server.
 * @throws Error when the library's writer is made otherwise than this knows.
 */
export function wipeEncoderMemory(): void {
  const writer = BinaryWriter.prototype as unknown as WriterInternals;
  const { ensureCapacity, finish } = writer;
  const probe = new BinaryWriter() as unknown as WriterInternals;
  if (typeof ensureCapacity !== "function" || !(probe.buffer instanceof Uint8Array) || probe.pos !== 0) {
    throw new Error("the encoder of Protocol Buffers is not the one whose memory is zeroed");
  }
  writer.ensureCapacity = function (size) {
    const before = this.buffer;
    ensureCapacity.call(this, size);
    if (this.buffer !== before) {
      wipe(before);
    }
  };
  writer.finish = function () {
    const written = this.buffer.subarray(0, this.pos);
    const result = finish.call(this);
    wipe(written);
    return result;
  };
}
