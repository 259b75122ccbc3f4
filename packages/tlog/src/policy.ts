import { isCosignatureType } from "./cosignature.ts";
import { type NoteKey, parseVkey } from "./note-key.ts";
import { decodeText, NoteMalformed } from "./text-form.ts";

/** The most bytes of a policy: some 500 witnesses with keys of ML-DSA-44. */
const MAX_POLICY_BYTES = 1024 * 1024;
const MAX_DIGITS = 6;

/** The name that stands for no witness in a quorum line. */
const NONE = "none";

/** A log that a policy accepts. */
export interface PolicyLog {
  readonly key: NoteKey;
  readonly url?: string;
}

/** A witness that a policy knows. */
export interface PolicyWitness {
  /** Opaque bytes, one character each: names of ASCII are as they look. They mean nothing outside the policy. */
  readonly name: string;
  readonly key: NoteKey;
  readonly url?: string;
}

/** Which logs are accepted, and which witnesses must have seen a checkpoint (C2SP tlog-policy). */
export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  /** Whether a checkpoint that the witnesses of these names have cosigned has its quorum. */
  isQuorum(names: ReadonlySet<string>): boolean;
}

/** A policy that is being read. Names of witnesses and groups are in one space. */
interface Draft {
  readonly logs: PolicyLog[];
  readonly witnesses: PolicyWitness[];
  /** In the order of their lines, in which each comes after its members. */
  readonly groups: Map<string, Group>;
  readonly names: Set<string>;
  /** Names that are a member of a group. */
  readonly members: Set<string>;
  quorum?: string;
}

interface Group {
  readonly threshold: number;
  readonly members: readonly string[];
}

/** The keywords of lines. Each takes the rest of its line. */
const LINES: ReadonlyMap<string, (draft: Draft, fields: readonly string[]) => void> = new Map([
  ["log", addLog],
  ["witness", addWitness],
  ["group", addGroup],
  ["quorum", setQuorum],
]);

/**
 * Reads a policy (C2SP tlog-policy), all of its rules, at most 1 MiB of it.
 * @throws NoteMalformed which begins with the number of the line.
 */
export function parsePolicy(bytes: Uint8Array): Policy {
  if (bytes.length > MAX_POLICY_BYTES) {
    throw new NoteMalformed(`the policy is longer than ${MAX_POLICY_BYTES} bytes`);
  }
  const draft: Draft = { logs: [], witnesses: [], groups: new Map(), names: new Set(), members: new Set() };
  // Octets are opaque to the standard, so each is one character here, whatever script it may be of.
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1").split("\n");
  for (const [i, line] of lines.slice(0, -1).entries()) {
    try {
      readLine(draft, line);
    } catch (error) {
      throw error instanceof NoteMalformed ? new NoteMalformed(`line ${i + 1}: ${error.message}`) : error;
    }
  }
  if (lines.at(-1) !== "") {
    throw new NoteMalformed(`line ${lines.length}: the line does not end in a newline`);
  }
  const { logs, witnesses, groups, quorum } = draft;
  if (quorum === undefined) {
    throw new NoteMalformed("the policy has no quorum line");
  }
  return {
    logs,
    witnesses,
    isQuorum: (names) => quorum === NONE || witnessed(names, draft.witnesses, groups).has(quorum),
  };
}

function readLine(draft: Draft, line: string): void {
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(line)) {
    throw new NoteMalformed("the line has a control character other than tab");
  }
  const [keyword, ...fields] = line.split(/[\t ]+/).filter((field) => field !== "");
  if (keyword === undefined || keyword.startsWith("#")) {
    return;
  }
  const add = LINES.get(keyword);
  if (add === undefined) {
    throw new NoteMalformed("the line is none of log, witness, group and quorum");
  }
  add(draft, fields);
}

function addLog({ logs }: Draft, fields: readonly string[]): void {
  const [vkey, url] = requireFields(fields, 1, 2, "log <vkey> [<url>]");
  const key = readKey(vkey as string);
  if (logs.some((log) => log.key.publicKey.equals(key.publicKey))) {
    throw new NoteMalformed("another log has the same public key");
  }
  logs.push({ key, ...urlOf(url) });
}

function addWitness(draft: Draft, fields: readonly string[]): void {
  const [name, vkey, url] = requireFields(fields, 2, 3, "witness <name> <vkey> [<url>]");
  const key = readKey(vkey as string);
  if (!isCosignatureType(key.type)) {
    throw new NoteMalformed("the witness's key is not one for cosignatures");
  }
  if (draft.witnesses.some((witness) => witness.key.publicKey.equals(key.publicKey))) {
    throw new NoteMalformed("another witness has the same public key");
  }
  define(draft, name as string);
  draft.witnesses.push({ name: name as string, key, ...urlOf(url) });
}

function addGroup(draft: Draft, fields: readonly string[]): void {
  const [name, threshold, ...members] = requireFields(
    fields,
    3,
    Number.POSITIVE_INFINITY,
    "group <name> <k> <name>...",
  );
  for (const member of members) {
    // `none` is defined for the quorum only, so it is not found here.
    if (!draft.names.has(member)) {
      throw new NoteMalformed("a member is not defined on a line before");
    }
    if (draft.members.has(member)) {
      throw new NoteMalformed("a member is in a group already");
    }
    draft.members.add(member);
  }
  // After its members: a group is not one of its own.
  define(draft, name as string);
  draft.groups.set(name as string, { threshold: readThreshold(threshold as string, members.length), members });
}

function setQuorum(draft: Draft, fields: readonly string[]): void {
  const [name] = requireFields(fields, 1, 1, "quorum <name>");
  if (draft.quorum !== undefined) {
    throw new NoteMalformed("there is a quorum line already");
  }
  if (name !== NONE && !draft.names.has(name as string)) {
    throw new NoteMalformed("the quorum is not defined on a line before");
  }
  draft.quorum = name as string;
}

function define({ names }: Draft, name: string): void {
  if (name === NONE || names.has(name)) {
    throw new NoteMalformed("the name is taken");
  }
  names.add(name);
}

function readThreshold(text: string, count: number): number {
  if (text === "any") {
    return 1;
  }
  const threshold = text === "all" ? count : Number(text);
  if (text !== "all" && (!/^[1-9]\d*$/.test(text) || text.length > MAX_DIGITS || threshold > count)) {
    throw new NoteMalformed("the threshold is none of any, all and a number from 1 to that of the members");
  }
  return threshold;
}

function readKey(octets: string): NoteKey {
  return parseVkey(decodeText(Buffer.from(octets, "latin1"), MAX_POLICY_BYTES, "the verifier key"));
}

function urlOf(octets: string | undefined): { readonly url?: string } {
  return octets === undefined ? {} : { url: Buffer.from(octets, "latin1").toString() };
}

function requireFields(fields: readonly string[], least: number, most: number, form: string): readonly string[] {
  if (fields.length < least || fields.length > most) {
    throw new NoteMalformed(`the line does not have the form ${form}`);
  }
  return fields;
}

/** The witnesses and groups that count, given the witnesses that cosigned. Without recursion: groups may be in groups a long way down. */
function witnessed(
  names: ReadonlySet<string>,
  witnesses: readonly PolicyWitness[],
  groups: ReadonlyMap<string, Group>,
): ReadonlySet<string> {
  // What is asked with the name of a group, or of nobody, counts for nothing.
  const counted = new Set(witnesses.map(({ name }) => name).filter((name) => names.has(name)));
  for (const [name, { threshold, members }] of groups) {
    if (members.filter((member) => counted.has(member)).length >= threshold) {
      counted.add(name);
    }
  }
  return counted;
}
