import {
  ED25519,
  encodeBundle,
  Frontier,
  formatCheckpoint,
  formatHandover,
  formatNote,
  formatVkey,
  leafHash,
  packedRoot,
  signNote,
  TILE_WIDTH,
  type TileAddress,
} from "@bunkms/tlog";
import type { LogPlace } from "../../packages/cli/src/audit/log-place.ts";
import { Failure } from "../../packages/cli/src/failure.ts";
import { makeSigner, type Signer } from "./sample-log.ts";

const ORIGIN = "bkms/0123456789abcdef0123456789abcdef/main";

/** A log that grows, hands its key over, and can be spoilt. Of up to 65,535 entries. */
export class GrowingLog implements LogPlace {
  readonly name = "the log";
  readonly ahead = 4;
  readonly entries: Buffer[] = [];
  /** Addresses that were read, as `level/index`. */
  readonly asked: string[] = [];
  readonly notes: string[] = [];
  #signers: Signer[] = [makeKey()];

  constructor(size: number) {
    this.grow(size);
  }

  get vkey(): string {
    return formatVkey((this.#signers.at(-1) as Signer).key);
  }

  grow(size: number): void {
    while (this.entries.length < size) {
      this.entries.push(
        Buffer.from(`{"v":1,"time":"2026-02-03T04:00:00.000Z","operation":"op.${this.entries.length}"}`),
      );
    }
  }

  /** A new key, which alone signs from now on. */
  rotate(): void {
    const old = this.#signers.at(-1) as Signer;
    const next = makeKey();
    const text = formatHandover({ checkpoint: this.#head(), oldKey: old.key, newKey: next.key });
    this.notes.push(
      formatNote(
        text,
        [old, next].map(({ key, privateKey }) => signNote(text, key, privateKey)),
      ),
    );
    this.#signers = [next];
  }

  async checkpoint(): Promise<Buffer> {
    return this.checkpointBySigners()();
  }

  /** Checkpoints of the log as it is then, signed by the keys of now. */
  checkpointBySigners(): () => Buffer {
    const signers = this.#signers;
    return () => {
      const text = formatCheckpoint(this.#head());
      const lines = signers.map(({ key, privateKey }) => signNote(text, key, privateKey));
      return Buffer.from(formatNote(text, lines));
    };
  }

  async handovers(): Promise<string> {
    return this.notes.join("\n");
  }

  readonly read = async ({ level, index, width }: TileAddress): Promise<Buffer | undefined> => {
    this.asked.push(`${level}/${index}`);
    const part = <Item>(items: readonly Item[]): Item[] => items.slice(index * TILE_WIDTH, index * TILE_WIDTH + width);
    if (level === "entries") {
      return encodeBundle(part(this.entries));
    }
    const hashes = this.entries.map(leafHash);
    const rows = Array.from({ length: Math.floor(hashes.length / TILE_WIDTH) }, (_, i) =>
      packedRoot(Buffer.concat(hashes.slice(i * TILE_WIDTH, (i + 1) * TILE_WIDTH))),
    );
    return Buffer.concat(part(level === 0 ? hashes : rows));
  };

  #head() {
    return {
      origin: ORIGIN,
      size: this.entries.length,
      root: Frontier.EMPTY.append(this.entries.map(leafHash)).root(),
    };
  }
}

function makeKey(): Signer {
  return makeSigner(ORIGIN, ED25519);
}

/** Whether an error is a failure with this exit code and message. */
export function failsWith(exitCode: number, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof Failure && error.exitCode === exitCode && message.test(error.message);
}
