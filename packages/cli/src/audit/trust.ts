import {
  type Checkpoint,
  CheckpointRefused,
  followHandovers,
  type Handover,
  HandoversContradictory,
  type NoteKey,
  NoteMalformed,
  type OpenedCheckpoint,
  openCheckpoint,
  openHandover,
  parsePolicy,
  parseVkey,
  retiredKeys,
  SignatureInvalid,
  splitHandovers,
  type Trust,
} from "@bunkms/tlog";
import { option } from "../command.ts";
import { Failure, usage } from "../failure.ts";
import { readInput } from "../inputs.ts";
import type { Io } from "../io.ts";
import { adviseOnSigners } from "./unknown-signer.ts";

const MAX_KEY_FILE = 64 * 1024;
const MAX_POLICY = 1024 * 1024;
const MAX_HANDOVERS = 16 * 1024 * 1024;

/** Whom an auditor trusts. */
export interface TrustOptions {
  readonly key?: string;
  readonly keyFile?: string;
  readonly policy?: string;
  readonly handovers?: string;
}

/** The declarations of `TrustOptions`. */
export const TRUST_OPTIONS = () => [
  option("--key <vkey>", "The log's public key, as bunkms audit key prints it").conflicts(["keyFile", "policy"]),
  option("--key-file <file>", "File with it, or with several, one a line").conflicts("policy"),
  option("--policy <file>", "C2SP tlog-policy: the log's key, and which witnesses must have cosigned"),
  option("--handovers <file>", "Hand-overs from that key to later ones (those beside the log)"),
];

/** What verifying rests on. */
export interface AuditTrust extends Trust {
  /** All that are known, also those between keys before the trusted ones. Each is signed by both its keys. */
  readonly handovers: readonly Handover[];
  /** Trees at which a trusted key handed over: the log must have grown from them. */
  readonly handedOverAt: readonly Checkpoint[];
}

/** Verifies a signed checkpoint. @param what For messages. @throws Failure */
export function openNote(what: string, bytes: Uint8Array, trust: AuditTrust): OpenedCheckpoint {
  return orRefused(what, bytes, trust, () => openCheckpoint(bytes, trust));
}

/** Opens a checkpoint, or a receipt, whose note is given as well: it says what is missing when it is refused. @throws Failure */
export function orRefused(
  what: string,
  note: string | Uint8Array,
  trust: AuditTrust,
  open: () => OpenedCheckpoint,
): OpenedCheckpoint {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof CheckpointRefused)) {
      throw error;
    }
    const isBySigner = error.reason === "unknown_origin" || error.reason === "wrong_signature";
    throw refused(what, error, isBySigner ? adviseOnSigners(note, trust) : "");
  }
}

/** An audit log, checkpoint or receipt is not what it should be. */
export function refused(what: string, { message }: Error, next = ""): Failure {
  return new Failure(8, `${what}: ${message}`, next);
}

/**
 * Reads the keys and the policy, and follows hand-overs from each key.
 * @param beside Hand-overs that lie beside the log, which are followed if none are named. They rest on the keys.
 * @throws Failure
 */
export async function readTrust(io: Io, options: TrustOptions, beside?: string): Promise<AuditTrust> {
  const policy =
    options.policy === undefined
      ? undefined
      : parse(options.policy, await readText(io, options.policy, MAX_POLICY), (bytes) => parsePolicy(bytes));
  const given = policy === undefined ? await readKeys(io, options) : policy.logs.map(({ key }) => key);
  const file = options.handovers ?? "handovers";
  const bytes = options.handovers === undefined ? Buffer.from(beside ?? "") : await readText(io, file, MAX_HANDOVERS);
  try {
    const notes = splitHandovers(bytes.toString());
    const logs = given.flatMap((key) => followHandovers(key, notes));
    const retired = given.flatMap((key) => retiredKeys(key, notes));
    const handovers = notes.map(openHandover);
    const handedOverAt = handovers
      .filter(({ oldKey }) => logs.some((key) => key.publicKey.equals(oldKey.publicKey)))
      .map(({ checkpoint }) => checkpoint);
    return { logs, retired, ...(policy === undefined ? {} : { policy }), handovers, handedOverAt };
  } catch (error) {
    const isRefused =
      error instanceof NoteMalformed || error instanceof SignatureInvalid || error instanceof HandoversContradictory;
    throw isRefused ? refused(file, error) : error;
  }
}

/** Trees at which keys were handed over, as far as a checkpoint reaches: the one after a hand-over is signed a moment later. */
export function handedOverBefore({ handedOverAt }: AuditTrust, { origin, size }: Checkpoint): readonly Checkpoint[] {
  return handedOverAt.filter((one) => one.origin === origin && one.size <= size);
}

async function readKeys(io: Io, { key, keyFile }: TrustOptions): Promise<readonly NoteKey[]> {
  if (key !== undefined) {
    return [parse("--key", key, parseVkey, "A file with it is given with --key-file.")];
  }
  if (keyFile === undefined) {
    throw usage(
      "nothing says whom to trust",
      "Give the log's public key, as you got it from whom you trust: --key VKEY, --key-file FILE or --policy FILE.",
    );
  }
  const text = (await readText(io, keyFile, MAX_KEY_FILE)).toString();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  if (lines.length === 0) {
    throw usage(`${keyFile} has no key`);
  }
  return lines.map((line) => parse(keyFile, line, parseVkey));
}

function readText(io: Io, file: string, limit: number): Promise<Buffer> {
  return readInput(io, file, { what: file, limit });
}

function parse<Given, Value>(where: string, given: Given, read: (given: Given) => Value, next = ""): Value {
  try {
    return read(given);
  } catch (error) {
    throw error instanceof NoteMalformed ? usage(`${where}: ${error.message}`, next) : error;
  }
}
