import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fromJson } from "@bufbuild/protobuf";
import type { OperationSpec } from "@bunkms/contract";
import { ROOT, runProgram } from "../../scripts/run-program.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { type Authority, makeAuthority } from "../requirements/certificates.ts";
import { type Answer, closeAll, operationOf, type Transport } from "../requirements/operation-call.ts";
import {
  makeObjects,
  makeSlot,
  operationsInOrder,
  releaseHolds,
  sampleRequest,
} from "../requirements/sample-requests.ts";
import { readGoEvents } from "../setup/go-tests.ts";
import { GO_CLIENT, goTransport } from "./go-caller.ts";

/** What is refused for a reason of its own, after it got through: there is an object already, or the hold of the samples. */
const OTHERWISE = new Map([
  ["keys.create", "already_exists"],
  ["keys.restore", "already_exists"],
  ["seals.initialise", "already_initialised"],
  ["audit.prune", "audit_hold"],
]);

let folder: string;
let authority: Authority;
let server: TestServer;
let addresses: { readonly rest: string; readonly grpc: string };
let transports: readonly Transport[];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-go-client-"));
  authority = await makeAuthority(folder);
  const { cert, key } = await authority.issue("server");
  server = await startServer({
    args: ["--tls-cert", cert, "--tls-key", key, "--log-level", "warn"],
    env: { BUNKMS_AUDIT_ARCHIVE: join(folder, "archive") },
  });
  addresses = { rest: server.url, grpc: `grpcs://${server.grpcAddr}` };
  transports = await Promise.all(
    [addresses.rest, addresses.grpc].map((address) => goTransport(address, authority.path)),
  );
});

after(async () => {
  closeAll(transports);
  await server.remove();
  await rm(folder, { recursive: true });
});

test("the Go client calls every operation of the contract, over REST and over gRPC", async () => {
  for (const transport of transports) {
    const token = server.rootToken;
    const made = await makeObjects(transport, token, `go-${transport.name}`);
    const { slot, shares } = await makeSlot(transport, token);
    const objects = { ...made, slot, share: shares[0] };
    const keepers = await makeSlot(transport, token);
    // Whole bundles of entries are archived, so there must be one.
    for (let count = 0; count < 256; count += 1) {
      await transport.call(operationOf("system.random"), {}, { token });
    }
    const asRoot = (action: string, request = {}): Promise<Answer> =>
      transport.call(operationOf(action), request, { token });
    for (const operation of operationsInOrder()) {
      await prepare(operation, asRoot);
      if (operation.action === "attachments.remove") {
        await releaseHolds(transport, token);
      }
      const requestId = `go.${transport.name}.${operation.action}`;
      const answer = await transport.call(operation, sampleRequest(operation, objects), { token, requestId });
      assert.equal(answer.code, OTHERWISE.get(operation.action) ?? "ok", `${requestId}: ${answer.text}`);
      assert.equal(answer.requestId, requestId);
      if (answer.code === "ok") {
        // Whatever Go read of the answer is of the contract, by its own names.
        fromJson(operation.method.output, answer.value, { ignoreUnknownFields: false });
      }
      if (operation.action === "seals.seal") {
        assert.equal((await asRoot("keys.list")).code, "sealed");
        for (const key of keepers.shares) {
          assert.equal((await asRoot("seals.unseal", { key })).code, "ok");
        }
      }
    }
  }
});

test("Go's tests of its client pass against this server, under the race detector, and its examples run", async () => {
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, server.rootToken, { mode: 0o600 });
  const { code, output } = await runProgram(
    "go",
    ["test", "-json", "-count=1", "-race", "-tags=integration", "-run=^TestExamples$", "."],
    {
      cwd: GO_CLIENT,
      env: { BUNKMS_URL: addresses.rest, BUNKMS_TOKEN_FILE: tokenFile, BUNKMS_CACERT: authority.path },
    },
  );
  assert.deepEqual(readGoEvents(output, code), { passed: 1, failures: [] });
  const integration = await runProgram(
    "go",
    ["test", "-json", "-count=1", "-race", "-tags=integration", "./internal/integration"],
    {
      cwd: GO_CLIENT,
      env: {
        BUNKMS_TEST_REST: addresses.rest,
        BUNKMS_TEST_GRPC: addresses.grpc,
        BUNKMS_TEST_CA: authority.path,
        BUNKMS_TEST_TOKEN_FILE: tokenFile,
        BUNKMS_TEST_NODE: process.execPath,
        BUNKMS_TEST_CLI: join(ROOT, "packages", "cli", "bin", "bunkms.js"),
      },
    },
  );
  const { passed, failures } = readGoEvents(integration.output, integration.code);
  assert.deepEqual(failures, []);
  assert.ok(passed > 20, `only ${passed} tests`);
});

/** Records are sealed anew one time after the other. */
async function prepare({ action }: OperationSpec, asRoot: (action: string) => Promise<Answer>): Promise<void> {
  if (action === "seals.rotate_barrier") {
    while ((await asRoot("seals.get_barrier_rotation")).value["in_progress"] === true) {
      await sleep(20);
    }
  }
}
