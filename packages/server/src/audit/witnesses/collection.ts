import { formatNote, parseNote } from "@bunkms/tlog";
import type { SignedCheckpoint } from "../checkpoints.ts";
import type { WitnessPolicy } from "./policy.ts";

/** One checkpoint, and the cosignatures that were collected for it. */
export class Collection {
  readonly checkpoint: SignedCheckpoint;
  /** When collecting began, by a clock that never goes back. */
  readonly begun: number;
  readonly #policy: WitnessPolicy;
  readonly #lines = new Map<string, string>();

  constructor(checkpoint: SignedCheckpoint, policy: WitnessPolicy, begun: number) {
    this.checkpoint = checkpoint;
    this.begun = begun;
    this.#policy = policy;
  }

  has(name: string): boolean {
    return this.#lines.has(name);
  }

  /** @param line That of a cosignature that was verified. */
  add(name: string, line: string): void {
    this.#lines.set(name, line);
  }

  get count(): number {
    return this.#lines.size;
  }

  /** Whether enough witnesses have cosigned, and at least one. */
  get isEnough(): boolean {
    return this.count > 0 && this.#policy.policy.isQuorum(new Set(this.#lines.keys()));
  }

  /** The checkpoint with its cosignatures, after the log's own signatures, in the policy's order. */
  note(): string {
    const { text, signatures } = parseNote(this.checkpoint.note);
    const cosignatures = this.#policy.witnesses.flatMap(({ name }) => this.#lines.get(name) ?? []);
    return formatNote(text, [...signatures.map(({ line }) => line), ...cosignatures]);
  }
}
