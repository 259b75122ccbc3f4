import {
  type Handover,
  isSameKey,
  type Note,
  type NoteKey,
  parseNote,
  SignatureInvalid,
  verifyNote,
} from "@bunkms/tlog";

/** The keys that are trusted, and what is known of those before them. */
interface Known {
  readonly logs: readonly NoteKey[];
  readonly policy?: object;
  /** Each signed by both its keys, so that a trusted key vouches for the ones before it. */
  readonly handovers: readonly Handover[];
}

/**
 * What to do about a checkpoint of another log than the trusted ones, or one that only other keys of a trusted log's name have
 * signed: hand-overs lead from a key to later ones alone, so that whoever has a later one must be given the earlier one as well.
 * @param bytes A well-formed note.
 * @returns Empty when that is not what is wrong with it.
 */
export function adviseOnSigners(bytes: string | Uint8Array, { logs, policy, handovers }: Known): string {
  const note = parseNote(bytes);
  const [origin] = note.text.split("\n", 1);
  const known = logs.filter(({ name }) => name === origin);
  if (known.length === 0) {
    const names = [...new Set(logs.map(({ name }) => name))];
    return `It says that it is of the log ${origin}; ${names.length === 0 ? "no log's key is given" : `what is given is the key of ${names.join(", ")}`}.`;
  }
  const ids = note.signatures.filter(({ name }) => name === origin).map(({ id }) => id);
  if (ids.length === 0 || ids.some((id) => known.some((key) => key.id.equals(id)))) {
    return "";
  }
  const earlier = keysBefore(known, handovers).find((key) => hasSigned(note, key));
  if (earlier !== undefined) {
    const give = policy === undefined ? "Give that key" : "Name that key in the policy";
    return `It is signed by key ${hex(earlier.id)}, an earlier one of the same log. ${give}, as you got it then, in place of the later one: the hand-overs lead from it to that.`;
  }
  const several = policy === undefined ? "--key-file takes several, one a line" : "a policy takes several, a line each";
  return `It names key ${ids.map(hex).join(" and key ")} of the same log as its signer. If that is an earlier one, give it, too: ${several}. If it is a later one, give the hand-overs to it: --handovers FILE.`;
}

/** The keys from which hand-overs lead to these, the latest first. */
function keysBefore(keys: readonly NoteKey[], handovers: readonly Handover[]): readonly NoteKey[] {
  const all = [...keys];
  for (const key of all) {
    const before = handovers.filter(({ newKey }) => isSameKey(newKey, key)).map(({ oldKey }) => oldKey);
    all.push(...before.filter((one) => !all.some((other) => isSameKey(one, other))));
  }
  return all.slice(keys.length);
}

function hasSigned(note: Note, key: NoteKey): boolean {
  try {
    return verifyNote(note, [key]).length > 0;
  } catch (error) {
    if (error instanceof SignatureInvalid) {
      return false;
    }
    throw error;
  }
}

function hex(id: Buffer): string {
  return id.toString("hex");
}
