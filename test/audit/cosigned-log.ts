import {
  COSIGNATURE_ED25519,
  cosignCheckpoint,
  ED25519,
  Frontier,
  formatCheckpoint,
  formatNote,
  formatVkey,
  leafHash,
  type NoteKey,
  parseNote,
  parsePolicy,
  signNote,
} from "@bunkms/tlog";
import { Checkpoints } from "../../packages/server/src/audit/checkpoints.ts";
import type { WitnessReport } from "../../packages/server/src/audit/witnesses/checkpoint-witness.ts";
import type { WitnessPolicy } from "../../packages/server/src/audit/witnesses/policy.ts";
import { makeSigner, type Signer } from "./sample-log.ts";

const ORIGIN = "bkms/00112233445566778899aabbccddeeff/main";
const LOG = makeSigner(ORIGIN, ED25519);

/** The key that signs the log under test. */
export const LOG_KEY = LOG.key;

/** Who cosigns in a test. */
export interface TestCosigner extends Signer {
  /** The line of a cosignature over the text of a signed note. */
  cosign(note: string, timestamp?: number): string;
}

export function testCosigner(name: string, type: number = COSIGNATURE_ED25519): TestCosigner {
  const { key, privateKey } = makeSigner(name, type);
  return {
    key,
    privateKey,
    cosign: (note, timestamp = 1_795_000_000) => cosignCheckpoint(parseNote(note).text, key, privateKey, timestamp),
  };
}

/** The end of a log of so many entries. */
export function testFrontier(size: number): Frontier {
  return Frontier.EMPTY.append(Array.from({ length: size }, (_, i) => leafHash(Buffer.from(String(i)))));
}

/** A signed checkpoint of a log of so many entries. */
export function testNote(size: number): string {
  const text = formatCheckpoint({ origin: ORIGIN, size, root: testFrontier(size).root() });
  return formatNote(text, [signNote(text, LOG.key, LOG.privateKey)]);
}

/** Checkpoints of the log under test. */
export function testCheckpoints(clock: () => number): Checkpoints {
  return new Checkpoints({
    origin: ORIGIN,
    sign: (text) => [signNote(text, LOG.key, LOG.privateKey)],
    save: async () => {},
    monotonic: clock,
    clock,
  });
}

/** A policy of witnesses at addresses, of which so many are needed; 0: none. */
export function testPolicy(
  witnesses: readonly { readonly name: string; readonly key: NoteKey; readonly url: string }[],
  needed: number,
): WitnessPolicy {
  const lines = witnesses.map(({ name, key, url }) => `witness ${name} ${formatVkey(key)} ${url}`);
  const names = witnesses.map(({ name }) => name).join(" ");
  const quorum = needed === 0 ? ["quorum none"] : [`group enough ${needed} ${names}`, "quorum enough"];
  return {
    policy: parsePolicy(Buffer.from(`${[...lines, ...quorum].join("\n")}\n`)),
    witnesses: witnesses.map(({ name, key, url }) => ({ name, key, address: new URL(url) })),
  };
}

/** What was reported, one text a line with its level. */
export class TestReport implements WitnessReport {
  readonly lines: string[] = [];
  info(_: object, text: string): void {
    this.lines.push(`info: ${text}`);
  }
  warn(_: object, text: string): void {
    this.lines.push(`warn: ${text}`);
  }
  error(_: object, text: string): void {
    this.lines.push(`error: ${text}`);
  }
}
