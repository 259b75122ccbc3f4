import { once } from "node:events";
import type { Socket } from "node:net";
import type { Message } from "@bufbuild/protobuf";
import { BunkmsError, type OperationSpec } from "@bunkms/contract";
import type { Call } from "../pipeline/call.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { asRefusal } from "../pipeline/refusal.ts";
import { wipeSecrets } from "../pipeline/secret-fields.ts";
import { chooseRequestId } from "./headers.ts";
import { plainAddress } from "./peer-address.ts";
import { RPC_COMMANDS } from "./rpc-commands.ts";
import { encodeAnswer, FrameAssembly, type RpcRequest } from "./rpc-frames.ts";

/** What connections of the framed RPC work with. */
export interface RpcParts {
  readonly pipeline: Pipeline;
  /** By policy action. */
  readonly operations: ReadonlyMap<string, OperationSpec>;
  /** Who calls, whoever it is. */
  readonly identity: NonNullable<Call["identity"]>;
  /** A connection's first frame must be whole after so many milliseconds, each later one that long after its first byte. */
  readonly frameMs: number;
}

/** So long a connection that ends may still send and be read. */
const CLOSING_MS = 1_000;

/**
 * One connection. Its requests are answered one after the other, in the order in which they came; while one is at work, no
 * more is read than a socket holds. What is no frame ends it, and is recorded.
 *
 * It may be idle for as long as it likes: pkg/kmsrpc keeps its connection and does not try a call again on another, so that a
 * closed one would cost its next call. Who needs the place closes the one that has been idle longest.
 */
export class RpcConnection {
  readonly #parts: RpcParts;
  readonly #socket: Socket;
  readonly #source: string;
  readonly #frames = new FrameAssembly();
  readonly #gone = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #isAtWork = false;
  #isEnding = false;
  /** When it last began or ended something, on a monotonic clock. */
  lastUsed = performance.now();

  constructor(parts: RpcParts, socket: Socket) {
    this.#parts = parts;
    this.#socket = socket;
    this.#source = plainAddress(socket.remoteAddress ?? "");
    socket.on("close", () => {
      clearTimeout(this.#timer);
      this.#gone.abort(new BunkmsError("cancelled"));
    });
  }

  get source(): string {
    return this.#source;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return !this.#isAtWork && !this.#frames.isAmidst;
  }

  /** Serves until either side ends it. */
  async serve(): Promise<void> {
    this.#awaitFrame();
    try {
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
        if (this.#isEnding) {
          break;
        }
        await this.#take(chunk as Buffer);
      }
    } catch {
      // Broken off by the peer, or by what is not a frame: there is nobody to be told.
    } finally {
      this.#frames.clear();
      this.#close();
    }
  }

  /** Refuses whoever is there, which is recorded as a call without a token. */
  async refuse(): Promise<void> {
    this.#socket.destroy();
    const operation = new BunkmsError("unknown_operation");
    await this.#run({ ...this.#call(operation), identity: undefined }).catch(() => {});
  }

  /** Ends it, at once when it is idle, and else after what is under way. */
  end(): void {
    this.#isEnding = true;
    if (this.isIdle && this.#socket.writableLength === 0) {
      this.#socket.destroy();
    } else if (!this.#isAtWork) {
      this.#close();
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #take(chunk: Buffer): Promise<void> {
    try {
      for (const request of this.#frames.add(chunk)) {
        clearTimeout(this.#timer);
        this.#timer = undefined;
        await this.#answer(request);
        if (this.#isEnding) {
          this.#close();
          return;
        }
      }
    } catch (error) {
      if (error instanceof BunkmsError) {
        await this.#run(this.#call(error)).catch(() => {});
      }
      throw error;
    } finally {
      chunk.fill(0);
    }
    if (this.#frames.isAmidst && this.#timer === undefined) {
      this.#awaitFrame();
    }
  }

  #awaitFrame(): void {
    this.#timer = setTimeout(() => this.#socket.destroy(), this.#parts.frameMs);
  }

  async #answer({ id, command, payload }: RpcRequest): Promise<void> {
    this.#isAtWork = true;
    this.lastUsed = performance.now();
    try {
      await this.#send(await this.#carryOut(id, command, payload));
    } finally {
      payload.fill(0);
      this.#isAtWork = false;
      this.lastUsed = performance.now();
    }
  }

  async #carryOut(id: bigint, number: number, payload: Buffer): Promise<Buffer> {
    const command = RPC_COMMANDS.get(number);
    const operation = command && this.#parts.operations.get(command.action);
    try {
      if (command === undefined || operation === undefined) {
        await this.#run(this.#call(new BunkmsError("unknown_operation")));
        return noRequest();
      }
      const message = await this.#run(this.#call(operation, (spec) => command.readRequest(spec, payload)));
      const answer = encodeAnswer(id, true, command.answer(message));
      wipeSecrets(operation.method.output, message);
      return answer;
    } catch (error) {
      const { message, code } = asRefusal(error);
      return encodeAnswer(id, false, { error: message, code });
    }
  }

  #run(call: Call): Promise<Message> {
    return this.#parts.pipeline.run(call);
  }

  /** @param read Not asked where there is no operation. */
  #call(operation: Call["operation"], read: (spec: OperationSpec) => Message = noRequest): Call {
    return {
      transport: "rpc",
      source: this.#source,
      requestId: chooseRequestId(undefined),
      secure: false,
      token: undefined,
      identity: this.#parts.identity,
      operation,
      signal: this.#gone.signal,
      readRequest: async (spec) => read(spec),
    };
  }

  /** Lets what was written be sent, and what still comes be read, so that no reset takes an answer back. */
  #close(): void {
    this.#socket.end();
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), CLOSING_MS).unref();
  }

  async #send(frame: Buffer): Promise<void> {
    if (this.#socket.destroyed) {
      return;
    }
    // The frame may hold a secret, and is the socket's until it is sent.
    if (!this.#socket.write(frame, () => frame.fill(0))) {
      this.#awaitFrame();
      await once(this.#socket, "drain", { signal: this.#gone.signal });
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
  }
}

function noRequest(): never {
  throw new BunkmsError("unknown_operation");
}
