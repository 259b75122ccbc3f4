import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** An answer of the framed RPC. */
export interface RpcAnswer {
  readonly id: bigint;
  /** 0: done, 1: refused. */
  readonly status: number;
  readonly payload: Readonly<Record<string, string>>;
}

export const GET_SECRET = 1;
export const PUT_SECRET = 2;

/** A request's frame with its length. */
export function rpcFrame(id: bigint, command: number, payload: string | object): Buffer {
  const body = Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
  const head = Buffer.alloc(17);
  head.writeUInt32LE(13 + body.length, 0);
  head.writeBigUInt64LE(id, 4);
  head.writeUInt8(command, 12);
  head.writeUInt32LE(body.length, 13);
  return Buffer.concat([head, body]);
}

/** A connection to the framed RPC that sends what a test says, byte by byte if need be. */
export class RpcSocket {
  readonly socket: Socket;
  readonly #answers: RpcAnswer[] = [];
  #bytes = Buffer.alloc(0);
  #wake = (): void => {};

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#read();
      this.#wake();
    });
    socket.on("error", () => {});
    socket.on("close", () => this.#wake());
  }

  /** @param address `host:port`. @param from Another address of loopback to come from. */
  static async connect(address: string, from?: string): Promise<RpcSocket> {
    const [host = "", port = ""] = address.split(":");
    const socket = connect({ host, port: Number(port), ...(from === undefined ? {} : { localAddress: from }) });
    await once(socket, "connect");
    return new RpcSocket(socket);
  }

  send(...bytes: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(bytes));
  }

  /** The next answer; undefined when the connection ended without one. @throws Error after 20 seconds. */
  async answer(): Promise<RpcAnswer | undefined> {
    const deadline = performance.now() + 20_000;
    while (this.#answers.length === 0 && !this.socket.closed) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error("no answer came")), deadline - performance.now());
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#answers.shift();
  }

  async call(command: number, payload: string | object): Promise<RpcAnswer | undefined> {
    this.send(rpcFrame(1n, command, payload));
    return this.answer();
  }

  /** Waits until the other side has ended the connection. */
  async ended(): Promise<void> {
    if (!this.socket.closed) {
      await once(this.socket, "close");
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #read(): void {
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32LE()) {
      const end = 4 + this.#bytes.readUInt32LE();
      this.#answers.push({
        id: this.#bytes.readBigUInt64LE(4),
        status: this.#bytes.readUInt8(12),
        payload: JSON.parse(this.#bytes.toString("utf8", 17, end)),
      });
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}
