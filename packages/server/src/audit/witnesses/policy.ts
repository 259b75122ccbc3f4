import { formatVkey, type NoteKey, type Policy } from "@bunkms/tlog";
import { sha256 } from "../../crypto/hash.ts";

/** A witness that checkpoints are submitted to. */
export interface PolicyWitness {
  /** As in the policy. */
  readonly name: string;
  readonly key: NoteKey;
  /** Its submission prefix. */
  readonly address: URL;
}

/** The operator's policy (C2SP tlog-policy), with addresses that may be called. */
export interface WitnessPolicy {
  readonly policy: Policy;
  /** In the policy's order; those without an address are only for verifying. */
  readonly witnesses: readonly PolicyWitness[];
}

/** Whether a checkpoint needs any witness at all. */
export function needsWitnesses({ policy }: WitnessPolicy): boolean {
  return !policy.isQuorum(new Set());
}

/** What a witness is remembered by: its key, since a policy's name may come to mean another. 32 hexadecimal digits. */
export function witnessId(key: NoteKey): string {
  return sha256(Buffer.from(formatVkey(key))).toString("hex", 0, 16);
}

/** A name for people: the policy's octets as UTF-8, where they are that. */
export function shownName(name: string): string {
  const text = Buffer.from(name, "latin1").toString();
  return Buffer.from(text).toString("latin1") === name ? text : name;
}
