import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { BunkmsError, type OperationSpec, readOperations } from "@bunkms/contract";
import type { TokenInfo } from "../access/tokens.ts";
import { type AuditRecord, decodeEntry } from "../audit/entry.ts";
import { EntryTooLong } from "../audit/log.ts";
import { RevisionConflict, StoreUnavailable } from "../store/store.ts";
import type { Plan } from "../vault/plan.ts";
import type { Call, Receipt } from "./call.ts";
import type { OpenVault } from "./custody.ts";
import { ANYBODY, type Progress } from "./progress.ts";
import { Recording } from "./recording.ts";
import { asRefusal, Unrecorded } from "./refusal.ts";

const NOW = Date.UTC(2026, 10, 29, 12);
const BURST = 4000;
const ADMIN: TokenInfo = { id: "a".repeat(32), name: "ada", role: "admin", createdAt: 0, expiresAt: 0 };
const OPERATOR: TokenInfo = { ...ADMIN, id: "b".repeat(32), name: "bob", role: "operator" };
const UNKNOWN = new BunkmsError("unknown_operation");
const OPERATIONS = readOperations();
const spec = (action: string): OperationSpec => OPERATIONS.find((each) => each.action === action) as OperationSpec;

let isFull = false;
/** Undefined: sealed. */
let vault: OpenVault | undefined;
let submitted: { readonly entry: Buffer; readonly plan: unknown; readonly wantsReceipt: boolean | undefined }[] = [];
let deferred: { readonly record: AuditRecord; readonly isRefusal: boolean }[] = [];
let failures: unknown[] = [];
let failing: Error | undefined;
let receipt: (index: number, entry: Buffer) => Promise<string>;
let recording: Recording;

beforeEach(() => {
  isFull = false;
  submitted = [];
  deferred = [];
  failures = [];
  failing = undefined;
  receipt = async (index, entry) => `proof of ${index}: ${decodeEntry(entry).operation}`;
  const committer = {
    async submit(entry: Buffer, plan?: Plan<unknown>, wantsReceipt?: boolean) {
      if (failing !== undefined) {
        throw failing;
      }
      return submitted.push({ entry, plan, wantsReceipt }) - 1;
    },
  };
  const services = {
    auditSpace: {
      get isFull() {
        return isFull;
      },
    },
    auditProofs: { receipt: (index: number, entry: Buffer) => receipt(index, entry) },
  };
  vault = { services, committer } as unknown as OpenVault;
  const custody = {
    get current() {
      return vault;
    },
    open: () => assert.fail(),
    servicesWhileSealed: services as never,
    defer: (entry: Buffer, isRefusal: boolean) => void deferred.push({ record: decodeEntry(entry), isRefusal }),
  };
  recording = new Recording({
    custody,
    reporter: { call: () => {}, failure: (id, error) => void failures.push([id, error]) },
    publicActions: new Map([
      ["audit.checkpoint", "unrecorded"],
      ["keys.get_jwks", "recorded"],
    ]),
    clock: () => NOW,
  });
});

function callOf(operation: string | BunkmsError, more: Partial<Call> = {}): Call {
  return {
    transport: "rest",
    source: "192.0.2.7",
    requestId: "r-1",
    secure: true,
    token: "some token",
    operation: typeof operation === "string" ? spec(operation) : operation,
    signal: new AbortController().signal,
    readRequest: () => assert.fail(),
    ...more,
  };
}

function progressOf(action: string | undefined, caller?: TokenInfo): Progress {
  return {
    vault,
    resource: "key/k",
    request: { name: "k" },
    leave: () => {},
    ...(action === undefined ? {} : { spec: spec(action) }),
    ...(caller === undefined ? {} : { caller }),
  };
}

/** Records a call's success, and gives what was written of it; undefined when nothing was. */
async function record(action: string, caller?: TokenInfo, more: Partial<Call> = {}): Promise<AuditRecord | undefined> {
  const before = submitted.length;
  await recording.record(callOf(action, more), progressOf(action, caller), "ok", { state: "enabled" });
  const entry = submitted.slice(before).at(-1)?.entry;
  return entry && decodeEntry(entry);
}

/** The code that a full log refuses with; `ok` when it lets through. */
function whenFull(call: Call, caller?: TokenInfo): string {
  isFull = true;
  try {
    recording.refuseIfFull(call, vault, caller);
    return "ok";
  } catch (error) {
    assert.ok(error instanceof Unrecorded);
    return asRefusal(error).code;
  }
}

test("an entry says who did what, from where, and how it ended", async () => {
  assert.deepEqual(await record("keys.create", OPERATOR), {
    time: NOW,
    requestId: "r-1",
    identity: { id: OPERATOR.id, name: "bob", role: "operator" },
    operation: "keys.create",
    resource: "key/k",
    outcome: "ok",
    source: "192.0.2.7",
    transport: "rest",
    request: { name: "k" },
    response: { state: "enabled" },
  });
  assert.equal((await record("keys.export_plain", ADMIN))?.critical, true);
});

test("who came without a token has no identity in his entry, nor has a call of no operation its action", async () => {
  await record("keys.get_jwks", ANYBODY, { token: undefined });
  assert.match(String(submitted[0]?.entry), /"identity":"","identity_name":"","role":"","operation":"keys.get_jwks"/);
  await recording.record(callOf(UNKNOWN), progressOf(undefined, ADMIN), "unknown_operation", {});
  const entry = decodeEntry(submitted.at(-1)?.entry as Buffer);
  assert.deepEqual([entry.operation, entry.outcome, entry.critical], ["", "unknown_operation", undefined]);
});

test("all calls leave an entry but readings of what anybody may see, and those of the log itself that are open to all", async () => {
  assert.equal(await record("seals.get_status", ANYBODY), undefined);
  assert.equal(await record("audit.checkpoint", ANYBODY, { token: undefined }), undefined);
  assert.notEqual(await record("audit.checkpoint", ADMIN), undefined);
  assert.notEqual(await record("keys.get_jwks", ANYBODY, { token: undefined }), undefined);
  assert.notEqual(await record("keys.get", ADMIN), undefined);
  // It changes something, so that it is told who did it.
  assert.notEqual(await record("seals.unseal", ANYBODY, { token: undefined }), undefined);
});

test("a full log takes no call that would be recorded, whether it is known who calls or not", () => {
  for (const call of [callOf("keys.get"), callOf("keys.create"), callOf(UNKNOWN)]) {
    assert.deepEqual([whenFull(call), whenFull(call, ADMIN)], ["audit_full", "audit_full"]);
  }
  assert.equal(
    whenFull(callOf("keys.get", { operation: { ...spec("keys.get"), action: "audits.get" } })),
    "audit_full",
  );
  assert.equal(whenFull(callOf("seals.get_status")), "ok");
  assert.equal(whenFull(callOf("audit.checkpoint", { token: undefined })), "ok");
  assert.doesNotThrow(() => recording.refuseIfFull(callOf("keys.get"), undefined));
  isFull = false;
  assert.doesNotThrow(() => recording.refuseIfFull(callOf("keys.get"), vault, OPERATOR));
});

test("what makes room in a full log is let through to administrators, and sealing as well", () => {
  for (const action of ["audit.prune", "audit.list", "seals.seal"]) {
    assert.equal(whenFull(callOf(action)), "ok");
    assert.equal(whenFull(callOf(action), ADMIN), "ok");
    assert.equal(whenFull(callOf(action), { ...ADMIN, role: "root" }), "ok");
    assert.equal(whenFull(callOf(action), OPERATOR), "audit_full");
  }
});

test("of strangers from one address a burst is recorded, and the next one only counted", () => {
  const call = callOf("keys.get");
  for (let i = 0; i < BURST; i++) {
    recording.noteStranger(call);
  }
  assert.throws(
    () => recording.noteStranger(call),
    (error) => error instanceof Unrecorded && error.refusal.code === "too_many_requests",
  );
});

test("refusals of who needs no token are counted among strangers, but no others, and none while the vault is sealed", () => {
  const unseal = callOf("seals.unseal", { token: undefined });
  const note = (call: Call, action: string, caller: TokenInfo): void =>
    recording.noteRefusedStranger(call, progressOf(action, caller));
  const open = vault;
  for (let i = 0; i < BURST + 1; i++) {
    note(callOf("keys.get"), "keys.get", ADMIN);
    note(callOf("seals.get_status", { token: undefined }), "seals.get_status", ANYBODY);
    vault = undefined;
    note(unseal, "seals.unseal", ANYBODY);
    vault = open;
  }
  for (let i = 0; i < BURST; i++) {
    note(unseal, "seals.unseal", ANYBODY);
  }
  assert.throws(() => note(unseal, "seals.unseal", ANYBODY), Unrecorded);
});

test("what cannot be recorded is refused, and the caller not told why", async () => {
  for (const [error, code, cause] of [
    [new StoreUnavailable("the disk"), "audit_unavailable", true],
    [new EntryTooLong(70_000), "audit_unavailable", true],
    [new BunkmsError("sealed"), "sealed", false],
  ] as const) {
    failing = error;
    await assert.rejects(record("keys.get", ADMIN), (refusal) => {
      assert.ok(refusal instanceof Unrecorded);
      assert.equal(refusal.refusal.code, code);
      assert.equal(refusal.refusal.cause, cause ? error : undefined);
      return true;
    });
  }
  // Its call is planned anew.
  failing = new RevisionConflict("key", "k");
  await assert.rejects(record("keys.get", ADMIN), RevisionConflict);
});

test("while the vault is sealed entries are kept for later, but for readings", async () => {
  vault = undefined;
  await record("seals.unseal", ANYBODY);
  await recording.record(callOf("seals.unseal"), progressOf("seals.unseal"), "share_refused", {});
  await recording.record(callOf(UNKNOWN), progressOf(undefined), "unknown_operation", {});
  await record("system.metrics", ADMIN);
  assert.deepEqual(
    deferred.map(({ record: { operation, outcome }, isRefusal }) => [operation, outcome, isRefusal]),
    [
      ["seals.unseal", "ok", false],
      ["seals.unseal", "share_refused", true],
      ["", "unknown_operation", true],
    ],
  );
  assert.deepEqual(submitted, []);
});

test("who asks for a receipt gets the proof of his entry, and only that is waited for", async () => {
  const given: Receipt[] = [];
  const onReceipt = (one: Receipt): void => void given.push(one);
  await record("keys.get", ADMIN);
  await record("keys.get", ADMIN, { onReceipt });
  await record("keys.get_jwks", ANYBODY, { onReceipt, token: undefined });
  await recording.record(callOf("keys.get", { onReceipt }), progressOf("keys.get"), "unauthenticated", {});
  assert.deepEqual(given, [{ index: 1, proof: "proof of 1: keys.get" }]);
  assert.deepEqual(
    submitted.map(({ wantsReceipt }) => wantsReceipt),
    [false, true, false, false],
  );
});

test("a call whose proof cannot be made is answered all the same, with the index of its entry", async () => {
  const given: Receipt[] = [];
  receipt = async () => {
    throw new StoreUnavailable("the disk");
  };
  await record("keys.get", ADMIN, { onReceipt: (one) => void given.push(one) });
  assert.deepEqual(given, [{ index: 0, proof: undefined }]);
  assert.equal(failures.length, 1);
  assert.deepEqual((failures[0] as [string, unknown])[0], "r-1");
});

test("a plan's changes go with its entry, to the recorder that the operation names", async () => {
  const plan = { result: 1 } as unknown as Plan<unknown>;
  await recording.record(callOf("keys.create"), progressOf("keys.create", ADMIN), "ok", {}, plan);
  assert.equal(submitted[0]?.plan, plan);
  const others: unknown[] = [];
  const recorder = { submit: async (...given: unknown[]) => others.push(given) };
  await recording.record(callOf("seals.unseal"), progressOf("seals.unseal", ANYBODY), "ok", {}, plan, recorder);
  assert.equal(submitted.length, 1);
  assert.equal((others[0] as unknown[])[1], plan);
});

for (const isOpen of [true, false]) {
  test(`what was only counted is ${isOpen ? "recorded" : "kept, as a refusal,"} when the server stops`, async () => {
    for (let i = 0; i < BURST; i++) {
      recording.noteStranger(callOf("keys.get"));
    }
    assert.throws(() => recording.noteStranger(callOf("keys.get")), Unrecorded);
    vault = isOpen ? vault : undefined;
    await recording.close();
    const [written, kept] = [submitted.map(({ entry }) => decodeEntry(entry)), deferred];
    assert.deepEqual([written.length, kept.length], isOpen ? [1, 0] : [0, 1]);
    const entry = written[0] ?? kept[0]?.record;
    assert.deepEqual([entry?.operation, entry?.request["calls"]], ["calls.refuse", "1"]);
    assert.equal(kept[0]?.isRefusal ?? true, true);
  });
}

test("that a count could not be recorded is reported, of no call", async () => {
  for (let i = 0; i < BURST; i++) {
    recording.noteStranger(callOf("keys.get"));
  }
  assert.throws(() => recording.noteStranger(callOf("keys.get")), Unrecorded);
  failing = new StoreUnavailable("the disk");
  await recording.close();
  assert.deepEqual(failures, [["", failing]]);
});
