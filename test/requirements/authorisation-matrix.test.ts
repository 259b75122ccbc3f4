import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Effect, type OperationSpec, Role, readOperations } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";
import { jwtPrincipals, makePrincipals, type Principal } from "./principals.ts";
import {
  makeObjects,
  makeSlot,
  missingObjects,
  type Objects,
  operationsInOrder,
  releaseHolds,
  type SampleSlot,
  sampleRequest,
} from "./sample-requests.ts";
import { readContent } from "./vault-content.ts";

/** One cell of the matrix: who does what to which object over what. */
interface Cell {
  readonly principal: Principal;
  readonly operation: OperationSpec;
  readonly object: "existing" | "missing";
  readonly transport: Transport;
  readonly requestId: string;
}

const OPERATIONS = operationsInOrder();
/** What has a reason of its own to be refused: this server has no TLS, or there is an object already. */
const OTHERWISE = new Map([
  ["keys.import_plain", "insecure_transport"],
  ["audit.archive", "archive_not_configured"],
  ["audit.prune", "archive_not_configured"],
  ["keys.create", "already_exists"],
  ["keys.restore", "already_exists"],
  ["seals.initialise", "already_initialised"],
]);

const JWT_SECRET = "a secret for JWTs, of 32 bytes or more";

let server: TestServer;
let transports: readonly [Transport, Transport];
let principals: readonly Principal[];
/** Its people open the vault again after it was sealed. */
let keepers: SampleSlot;
const answers = new Map<Cell, Answer>();

before(async () => {
  const env = { BUNKMS_JWT_SECRET: JWT_SECRET };
  server = await startServer({ args: ["--store", "memory", "--log-level", "silent"], env });
  transports = bothTransports(server);
  principals = [
    ...(await makePrincipals(transports[0], server.rootToken)),
    ...(await jwtPrincipals(transports[0], JWT_SECRET)),
  ];
  keepers = await makeSlot(transports[0], server.rootToken);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

/** Whether the contract lets somebody of this rank do this: decided here anew, from what it says of callers alone. */
function mayDo({ rank }: Principal, { leastRole, anonymous }: OperationSpec): boolean {
  if (anonymous) {
    return true;
  }
  return rank !== Role.UNSPECIFIED && leastRole !== Role.UNSPECIFIED && rank >= leastRole;
}

function cells(allowed: boolean): Cell[] {
  return principals.flatMap((principal, p) =>
    OPERATIONS.filter((operation) => mayDo(principal, operation) === allowed).flatMap((operation) =>
      (["existing", "missing"] as const).flatMap((object) =>
        transports.map((transport) => ({
          principal,
          operation,
          object,
          transport,
          requestId: `${p}.${operation.action}.${object}.${transport.name}`,
        })),
      ),
    ),
  );
}

function asRoot(action: string, request = {}): Promise<Answer> {
  return transports[0].call(operationOf(action), request, { token: server.rootToken });
}

/**
 * Sees to it that the call finds the server as it needs it: records are sealed anew one time after the other, and any legal hold
 * keeps the attachments.
 */
async function prepare({ action }: OperationSpec): Promise<void> {
  if (action === "seals.rotate_barrier") {
    while ((await asRoot("seals.get_barrier_rotation")).value["in_progress"] === true) {
      await sleep(20);
    }
  } else if (action === "attachments.remove") {
    await releaseHolds(transports[0], server.rootToken);
  }
}

/** After sealing, which ends all others' calls, the vault is opened again. */
async function restore({ action }: OperationSpec): Promise<void> {
  if (action !== "seals.seal") {
    return;
  }
  assert.equal((await asRoot("keys.list")).code, "sealed");
  for (const key of keepers.shares) {
    assert.equal((await asRoot("seals.unseal", { key })).code, "ok");
  }
  assert.equal((await asRoot("keys.list")).code, "ok");
}

async function callCell(cell: Cell, existing: Objects): Promise<Answer> {
  const { principal, operation, object, transport, requestId } = cell;
  const missing = `missing-${principal.name.replaceAll(" ", "-")}-${transport.name}`;
  const objects = object === "existing" ? existing : missingObjects(existing, missing);
  const given = await transport.call(operation, sampleRequest(operation, objects), {
    token: principal.token,
    requestId,
  });
  // To who comes with a JWT over REST, a signature by a key that is not there is one that is not valid.
  const isUnsaid = operation.action === "keys.verify" && given.code === "ok" && object === "missing";
  const answer = isUnsaid && principal.name.startsWith("jwt") ? { ...given, code: "not_found" } : given;
  answers.set(cell, answer);
  return answer;
}

test("REQ-20 who may not is refused, everywhere and always alike, and nothing changes", async () => {
  const made = await makeObjects(transports[0], server.rootToken, "kept");
  const { slot, shares } = await makeSlot(transports[0], server.rootToken);
  const existing = { ...made, slot, share: shares[0] };
  const before = await readContent(transports[0], server.rootToken);
  for (const cell of cells(false)) {
    const { code } = await callCell(cell, existing);
    assert.equal(code, cell.principal.id === "" ? "unauthenticated" : "permission_denied", cell.requestId);
  }
  assert.deepEqual(await readContent(transports[0], server.rootToken), before);
});

test("REQ-24 who may not cannot tell an existing object from a missing one", () => {
  const byPair = Map.groupBy(answers.keys(), ({ principal, operation, transport }) =>
    [principal.name, operation.action, transport.name].join(),
  );
  assert.ok(byPair.size > 300);
  for (const [pair, cellsOfPair] of byPair) {
    assert.deepEqual(cellsOfPair.map(({ object }) => object).toSorted(), ["existing", "missing"], pair);
    const [one, other] = cellsOfPair.map((cell) => ({ ...answers.get(cell), requestId: "" }));
    assert.deepEqual(one, other, pair);
  }
});

test("REQ-20 who may is let through", async () => {
  for (const principal of principals) {
    for (const transport of transports) {
      const own = cells(true).filter((cell) => cell.principal === principal && cell.transport === transport);
      if (own.length === 0) {
        continue;
      }
      const prefix = `${principal.name.replaceAll(" ", "-")}-${transport.name}`;
      const made = await makeObjects(transport, server.rootToken, prefix);
      const { slot, shares } = await makeSlot(transport, server.rootToken);
      const existing = { ...made, slot, share: shares[0] };
      for (const cell of own) {
        await prepare(cell.operation);
        const { code, text } = await callCell(cell, existing);
        const otherwise = otherwiseFor(cell);
        const makes = cell.object === "missing" && !needsObject(cell.operation);
        const fine = cell.object === "existing" ? [otherwise ?? "ok"] : [makes ? "ok" : "not_found", otherwise];
        assert.ok(fine.includes(code), `${cell.requestId}: ${code} ${text}`);
        await restore(cell.operation);
      }
      // A vault has only so many; whoever may remove one has done so.
      await asRoot("seals.remove_slot", { id: slot });
    }
  }
});

test("REQ-20 the matrix has every operation for every kind of caller, object and transport", () => {
  const count = readOperations().length * principals.length * 2 * transports.length;
  assert.equal(answers.size, count);
  assert.equal(cells(true).length + cells(false).length, count);
  assert.ok(cells(false).length > cells(true).length);
});

test("REQ-32 CVE-2026-46358 every one of these calls is in the audit log, whole: who, what, and how it ended", async () => {
  const { entries } = await readTrail(transports[0], server.rootToken);
  const byRequest = new Map(entries.map((entry) => [entry.request_id, entry]));
  for (const [{ principal, operation, transport, object, requestId }, { code }] of answers) {
    const entry = byRequest.get(requestId);
    if (operation.anonymous && operation.effect === Effect.READ) {
      // As /health: anybody may see it, and probes ask every second.
      assert.equal(entry, undefined, requestId);
      continue;
    }
    assert.ok(entry !== undefined, `${requestId} is not in the audit log`);
    assert.equal(entry.outcome, code, requestId);
    assert.equal(entry.operation, operation.action, requestId);
    assert.equal(entry.identity, principal.id, requestId);
    assert.equal(entry.role, principal.id === "" ? "" : (principal.role ?? principal.name), requestId);
    assert.equal(entry.transport, transport.name, requestId);
    assert.equal(entry.source_address, "127.0.0.1", requestId);
    assert.equal(entry.resource !== "", principal.id !== "" && operation.resource !== "", requestId);
    assert.equal(
      entry.resource.includes("missing"),
      entry.resource !== "" && isNamed(operation) && object === "missing",
    );
  }
});

/** The reason for which this caller is refused although he may call it. */
function otherwiseFor({ principal, operation }: Cell): string | undefined {
  // An entry is shown to whom it is about; that of the sample is nobody's.
  const isForeign = operation.action === "audit.receipt" && principal.rank < Role.ADMIN;
  return isForeign ? "permission_denied" : OTHERWISE.get(operation.action);
}

const MAKERS: readonly string[] = [
  "keys.create",
  "secrets.put",
  "secrets.import",
  "seals.add_slot",
  "audit.set_hold",
  "attachments.add_part",
];

/** Whether an operation is about an object that must be there. */
function needsObject({ action, resource }: OperationSpec): boolean {
  return resource.includes("{") && !MAKERS.includes(action);
}

/** Tokens and slots are not named but numbered, and seals are of few kinds. */
function isNamed({ resource }: OperationSpec): boolean {
  return !["token/", "slot/", "seal", "entry/", "audit"].some((kind) => resource.startsWith(kind));
}
