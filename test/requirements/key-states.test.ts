import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { Effect, type OperationSpec } from "@bunkms/contract";
import { type InProcessServer, startInProcess } from "./in-process-server.ts";
import {
  addVersion,
  createKey,
  FAMILIES,
  type Family,
  KEY_OPERATIONS,
  KEY_STATES,
  type KeyOperation,
  type Made,
  makeWith,
  NOTHING,
  operationsOnKeys,
  type TestedState,
  VERSION_STATES,
  wrapForImport,
} from "./key-operations.ts";
import type { Transport } from "./operation-call.ts";

const DAY_MS = 86_400_000;

/** One cell of the table: an operation on a key, or on its version 1, in a state. */
interface Cell {
  readonly operation: OperationSpec;
  readonly row: KeyOperation;
  readonly subject: "key" | "version";
  readonly state: TestedState;
  readonly transport: Transport;
  readonly expected: string;
  /** The key's name: one of its own where the operation may change it. */
  readonly name: string;
}

let server: InProcessServer;
let cells: readonly Cell[];
const made = new Map<string, Made>();

before(async () => {
  server = await startInProcess();
  cells = allCells();
  const keys = new Map(cells.map((cell) => [cell.name, cell]));
  // What is to be destroyed comes first: the round that does it destroys all that is pending.
  await prepare([...keys.values()].filter(({ state }) => state === "destroyed"));
  await server.roundAt(Date.now() + 8 * DAY_MS);
  await prepare([...keys.values()].filter(({ state }) => state !== "destroyed"));
});

after(() => server[Symbol.asyncDispose]());

function allCells(): Cell[] {
  return (["key", "version"] as const).flatMap((subject) =>
    operationsOnKeys().flatMap((operation) => {
      const row = KEY_OPERATIONS[operation.action];
      const states = subject === "key" ? KEY_STATES : VERSION_STATES;
      return row === undefined
        ? []
        : states.flatMap((state, i) =>
            server.transports.map((transport): Cell => {
              const shared = `${subject}.${state}.${row.family}`;
              const own =
                operation.effect === Effect.MUTATE ? `${shared}.${operation.action}.${transport.name}` : shared;
              return { operation, row, subject, state, transport, expected: row[subject][i] ?? "", name: own };
            }),
          );
    }),
  );
}

/**
 * Makes the keys of these cells, each with two versions, and brings them, or their version 1, to their states. A key
 * without material gets what another of its family made.
 */
async function prepare(some: readonly Cell[]): Promise<void> {
  for (const { name, row, subject, state, operation } of some) {
    const waits = state === "pending_import";
    await createKey(server, row.family, name, waits);
    const wrap = (): Promise<string> => wrapForImport(server, name);
    const more = operation.action === "keys.import" ? { wrapped: await wrap() } : {};
    if (waits) {
      made.set(name, { ...(made.get(`key.enabled.${row.family}`) ?? NOTHING), ...more });
      continue;
    }
    made.set(name, { ...(await makeWith(server, row.family, name)), ...more });
    await addVersion(server, row.family, name);
    const request: JsonObject = subject === "key" ? { name } : { name, version: 1 };
    const suffix = subject === "key" ? "" : "_version";
    if (state === "disabled") {
      await server.value(`keys.disable${suffix}`, request);
    } else if (state !== "enabled") {
      await server.value(`keys.schedule${suffix}_deletion`, { ...request, window_days: 7 });
    }
  }
}

/** The answer's code; of a batch that went through with a failed item, that item's. */
async function callCell(cell: Cell): Promise<{ code: string; value: JsonObject; text: string }> {
  const request = cell.row.request(
    { name: cell.name, made: made.get(cell.name) as Made },
    cell.subject === "version" ? 1 : 0,
  );
  const { code, value, text } = await cell.transport.call(cell.operation, request, { token: server.rootToken });
  const [result] = (value["results"] ?? []) as { error?: { code: string } }[];
  return { code: result?.error === undefined ? code : `item ${result.error.code}`, value, text };
}

async function look(name: string): Promise<JsonObject> {
  const key = await server.value("keys.get", { name });
  const versions = (key["versions"] as JsonObject[]).map(({ uses: _, last_used_at: __, ...version }) => version);
  return { ...key, versions };
}

test("every operation of the contract that takes a key has a row in the table, and the table has no other", () => {
  assert.deepEqual(
    Object.keys(KEY_OPERATIONS).toSorted(),
    operationsOnKeys()
      .map(({ action }) => action)
      .toSorted(),
  );
  for (const [action, { key, version }] of Object.entries(KEY_OPERATIONS)) {
    assert.deepEqual([key.length, version.length], [KEY_STATES.length, VERSION_STATES.length], action);
  }
});

test("the keys are in the states that they are to be in", async () => {
  for (const { name, subject, state } of cells) {
    const key = await server.value("keys.get", { name });
    const version = (key["versions"] as { state: string }[])[0];
    assert.equal(subject === "key" ? key["state"] : version?.state, state, name);
    assert.equal(subject === "version" ? key["state"] : "enabled", "enabled", name);
  }
});

for (const subject of ["key", "version"] as const) {
  for (const action of operationsOnKeys().map((operation) => operation.action)) {
    test(`${action} on a ${subject} in each state answers as the table says, and changes nothing when it refuses`, async () => {
      for (const cell of cells.filter(
        (candidate) => candidate.subject === subject && candidate.operation.action === action,
      )) {
        const what = `${cell.subject} ${cell.state} over ${cell.transport.name}`;
        const before = await look(cell.name);
        const { code, value, text } = await callCell(cell);
        assert.equal(code, cell.expected, `${what}: ${text}`);
        const after = await look(cell.name);
        if (code !== "ok" || cell.operation.effect !== Effect.MUTATE) {
          assert.deepEqual(after, before, what);
        } else if (cell.row.leads !== undefined) {
          const ofVersion = action.includes("_version");
          const reached = ofVersion ? (after["versions"] as { state: string }[])[0]?.state : after["state"];
          assert.equal(reached, cell.row.leads, what);
          if (!ofVersion) {
            assert.equal("deletion_at" in after, reached === "pending_deletion", what);
          }
        }
        assert.notEqual((value as { valid?: boolean }).valid, false, what);
      }
    });
  }
}

test("a deletion that is cancelled while a key waits for its import lets it wait again", async () => {
  await server.value("keys.create", { name: "waiting", imported: true });
  await server.value("keys.schedule_deletion", { name: "waiting" });
  assert.equal((await server.value("keys.cancel_deletion", { name: "waiting" }))["state"], "pending_import");
});

test("the latest version cannot be destroyed alone, and when it is disabled the older ones still open and verify", async () => {
  for (const [family, action] of [
    ["encrypt", "keys.decrypt"],
    ["sign", "keys.verify"],
    ["mac", "keys.verify_mac"],
  ] as const satisfies readonly (readonly [Family, string])[]) {
    const name = `latest-${family}`;
    await server.value("keys.create", { name, type: FAMILIES[family] });
    const tried = { name, made: await makeWith(server, family, name) };
    await server.value("keys.rotate", { name });
    const scheduled = await server.call("keys.schedule_version_deletion", { name, version: 2 });
    assert.equal(scheduled.code, "wrong_key_state", scheduled.text);
    await server.value("keys.disable_version", { name, version: 2 });
    const request = (KEY_OPERATIONS[action] as KeyOperation).request(tried, 0);
    const answer = await server.call(action, request);
    assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
    assert.notEqual(answer.value["valid"], false, action);
    assert.equal(answer.value["version"], 1, action);
  }
});

test("no version below the oldest in use makes or opens anything, and a bound can be lowered again", async () => {
  const bounds = { min_decryption_version: 2, min_encryption_version: 2 };
  for (const [make, open] of [
    ["keys.encrypt", "keys.decrypt"],
    ["keys.sign", "keys.verify"],
    ["keys.generate_mac", "keys.verify_mac"],
    ["keys.encapsulate", "keys.decapsulate"],
  ] as const) {
    const { family } = KEY_OPERATIONS[make] as KeyOperation;
    const name = `bounds-${family}`;
    await server.value("keys.create", { name, type: FAMILIES[family] });
    const tried = { name, made: await makeWith(server, family, name) };
    await server.value("keys.rotate", { name });
    const codes = async (): Promise<readonly string[]> => {
      const answers = [make, open].map((action) =>
        server.call(action, (KEY_OPERATIONS[action] as KeyOperation).request(tried, 1)),
      );
      return (await Promise.all(answers)).map(({ code }) => code);
    };
    assert.deepEqual(await codes(), ["ok", "ok"], name);
    await server.value("keys.update", { name, ...bounds });
    assert.deepEqual(await codes(), ["wrong_key_state", "wrong_key_state"], name);
    await server.value("keys.update", { name, min_encryption_version: 0 });
    const lowered = await server.value("keys.get", { name });
    assert.deepEqual([lowered["min_decryption_version"], lowered["min_encryption_version"]], [2, 1], name);
    const above = await server.call("keys.update", { name, min_decryption_version: 3 });
    assert.equal(above.code, "unknown_version", above.text);
    await server.value("keys.update", { name, min_decryption_version: 1 });
    assert.deepEqual(await codes(), ["ok", "ok"], name);
  }
});

test("nothing is encrypted with a version that may not decrypt", async () => {
  const name = "one-way";
  await server.value("keys.create", { name });
  await server.value("keys.rotate", { name });
  await server.call("keys.update", { name, min_decryption_version: 2, min_encryption_version: 1 });
  const made = await server.call("keys.encrypt", { key_name: name, plaintext: "text", version: 1 });
  if (made.code === "ok") {
    const opened = await server.call("keys.decrypt", {
      key_name: name,
      ciphertext: made.value["ciphertext"] as string,
    });
    assert.equal(opened.code, "ok", "what was encrypted just now cannot be decrypted");
  }
});
