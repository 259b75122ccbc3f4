import { BunkmsError } from "@bunkms/contract";

/**
 * The frames of the BunKMS written in Go: a length of four bytes, then a request of id (8), command (1), length of the payload
 * (4) and payload; an answer has a status in the place of the command. All numbers are little-endian.
 */
export interface RpcRequest {
  /** Given back with the answer. */
  readonly id: bigint;
  readonly command: number;
  /** JSON. */
  readonly payload: Buffer;
}

const LENGTH_BYTES = 4;
const HEAD_BYTES = 13;
/** As large as the largest request of the contract; the protocol itself would allow 16 MiB. */
const MAX_FRAME_BYTES = HEAD_BYTES + 1024 * 1024;

const OK = 0;
const ERROR = 1;

/** Puts frames together out of what arrives. */
export class FrameAssembly {
  readonly #length = Buffer.alloc(LENGTH_BYTES);
  #frame: Buffer | undefined;
  #filled = 0;

  /** Whether a frame has begun and is not whole. */
  get isAmidst(): boolean {
    return this.#filled > 0 || this.#frame !== undefined;
  }

  /**
   * Takes what arrived.
   * @returns The requests that are whole now, in order. Each is memory of its own, which its taker zeroes.
   * @throws BunkmsError `invalid_request`: what comes after is no frame either, since nobody knows where it would begin.
   */
  *add(chunk: Buffer): Generator<RpcRequest> {
    for (let at = 0; at < chunk.length; ) {
      const target = this.#frame ?? this.#length;
      const copied = chunk.copy(target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < target.length) {
        return;
      }
      this.#filled = 0;
      if (this.#frame === undefined) {
        this.#frame = newFrame(this.#length.readUInt32LE());
      } else {
        this.#frame = undefined;
        yield decode(target);
      }
    }
  }

  /** Forgets what has arrived of a frame. */
  clear(): void {
    this.#frame?.fill(0);
    this.#frame = undefined;
    this.#filled = 0;
  }
}

/** An answer as a frame with its length. `body` is sent as JSON. */
export function encodeAnswer(id: bigint, isOk: boolean, body: object): Buffer {
  const payload = Buffer.from(JSON.stringify(body));
  const frame = Buffer.alloc(LENGTH_BYTES + HEAD_BYTES + payload.length);
  frame.writeUInt32LE(HEAD_BYTES + payload.length, 0);
  frame.writeBigUInt64LE(id, 4);
  frame.writeUInt8(isOk ? OK : ERROR, 12);
  frame.writeUInt32LE(payload.length, 13);
  payload.copy(frame, 17);
  payload.fill(0);
  return frame;
}

function newFrame(length: number): Buffer {
  if (length < HEAD_BYTES || length > MAX_FRAME_BYTES) {
    throw malformed();
  }
  return Buffer.alloc(length);
}

function decode(frame: Buffer): RpcRequest {
  if (frame.readUInt32LE(9) !== frame.length - HEAD_BYTES) {
    frame.fill(0);
    throw malformed();
  }
  return { id: frame.readBigUInt64LE(0), command: frame.readUInt8(8), payload: frame.subarray(HEAD_BYTES) };
}

function malformed(): BunkmsError {
  return new BunkmsError("invalid_request", "the frame is malformed or too large");
}
