import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { type DescMessage, type JsonObject, ScalarType } from "@bufbuild/protobuf";
import { readOperations } from "@bunkms/contract";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail } from "./audit-trail.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

const CALLERS = 40;
const CALLS = process.env["BUNKMS_SOAK"] === undefined ? 4000 : 100_000;
const AT_ONCE = 400;

let server: TestServer;
let transports: readonly Transport[];

before(async () => {
  server = await startServer({ args: ["--log-level", "warn"] });
  transports = bothTransports(server);
});

after(async () => {
  closeAll(transports);
  await server.remove();
});

function call(i: number, action: string, request: JsonObject, token: string, requestId = ""): Promise<Answer> {
  const transport = transports[i % transports.length] as Transport;
  return transport.call(operationOf(action), request, { token, ...(requestId === "" ? {} : { requestId }) });
}

/** Does things, so many at once. */
async function inParallel(count: number, act: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < count; i = next++) {
      await act(i);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

interface Caller {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly token: string;
}

async function makeCallers(): Promise<readonly Caller[]> {
  const roles = ["admin", "operator", "reader"];
  return Promise.all(
    Array.from({ length: CALLERS }, async (_, i): Promise<Caller> => {
      const [name, role] = [`caller-${i}`, roles[i % roles.length] as string];
      const { value } = await call(i, "tokens.create", { display_name: name, role }, server.rootToken);
      return { id: String(value["id"]), name, role, token: String(value["token"]) };
    }),
  );
}

test("COSMIAN-2026-005 thousands of concurrent requests of different callers are each their own caller's", async () => {
  const callers = await makeCallers();
  assert.equal((await call(0, "keys.create", { name: "shared" }, server.rootToken)).code, "ok");
  await inParallel(CALLS, async (i) => {
    // Twice through both transports for each caller, in changing company.
    const caller = callers[(i * 7 + (i >> 6)) % callers.length] as Caller;
    switch (i % 4) {
      case 0:
      case 1: {
        const { code, value } = await call(i, "tokens.get_self", {}, caller.token);
        assert.equal(code, "ok");
        assert.deepEqual([value["id"], value["display_name"], value["role"]], [caller.id, caller.name, caller.role]);
        break;
      }
      case 2: {
        const text = `${caller.name} ${i}`;
        const request = { key_name: "shared", plaintext: text, aad: caller.name };
        const { code, value } = await call(i >> 2, "keys.encrypt", request, caller.token);
        if (caller.role === "reader") {
          assert.equal(code, "permission_denied");
          break;
        }
        assert.equal(code, "ok");
        const sealed = { key_name: "shared", ciphertext: value["ciphertext"] as string, aad: caller.name };
        const opened = await call(i, "keys.decrypt", sealed, caller.token);
        assert.equal(opened.value["plaintext"], text);
        break;
      }
      default: {
        const broken = `${caller.token.slice(0, -1)}${caller.token.endsWith("0") ? "1" : "0"}`;
        assert.equal((await call(i >> 2, "tokens.get_self", {}, broken)).code, "unauthenticated");
      }
    }
  });
});

test("COSMIAN-2026-005 REQ-32 each concurrent request is in the audit log under its own caller", async () => {
  const callers = await makeCallers();
  const from = Number((await readTrail(transports[0] as Transport, server.rootToken)).size);
  await inParallel(800, async (i) => {
    const caller = callers[i % callers.length] as Caller;
    await call(i >> 3, "keys.list", { prefix: caller.name }, caller.token, `mine-${i}`);
  });
  const { entries } = await readTrail(transports[1] as Transport, server.rootToken, from);
  const mine = entries.filter(({ request_id }) => request_id.startsWith("mine-"));
  assert.equal(mine.length, 800);
  for (const entry of mine) {
    const caller = callers[Number(entry.request_id.slice("mine-".length)) % callers.length] as Caller;
    assert.deepEqual(
      [entry.identity, entry.identity_name, entry.role, entry.request["prefix"]],
      [caller.id, caller.name, caller.role, caller.name],
    );
  }
});

/** Messages of a request, nested ones as well, by the names of their text fields. */
function textFields(message: DescMessage): readonly string[] {
  return message.fields.flatMap((field) => {
    if (field.fieldKind === "message") {
      return textFields(field.message);
    }
    return field.fieldKind === "scalar" && field.scalar === ScalarType.STRING ? [field.name] : [];
  });
}

test("COSMIAN-2026-009 REQ-40 no operation has a field that holds an address", () => {
  for (const { action, method } of readOperations()) {
    for (const name of textFields(method.input)) {
      assert.doesNotMatch(
        name,
        /ur[il]|host|addr|endpoint|webhook|callback|proxy|server|path|file/i,
        `${action}: ${name}`,
      );
    }
  }
});

test("COSMIAN-2026-009 REQ-40 an address in any text field or header makes the server call nowhere", async () => {
  const visits: string[] = [];
  const trap: Server = createServer((request, response) => {
    visits.push(String(request.url));
    response.end();
  });
  trap.on("connection", () => visits.push("a connection"));
  await new Promise<void>((resolve) => trap.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(trap.address() as AddressInfo).port}`;
  try {
    for (const { action, method } of readOperations()) {
      for (const name of textFields(method.input)) {
        for (const value of [`http://${address}/${action}`, address, `//${address}/${action}`]) {
          const answers = await Promise.all([0, 1].map((i) => call(i, action, { [name]: value }, server.rootToken)));
          for (const { code } of answers) {
            assert.ok(code !== "internal" && code !== "no answer", `${action} ${name}: ${code}`);
          }
        }
      }
    }
    for (const header of [
      "x-forwarded-host",
      "forwarded",
      "x-original-url",
      "origin",
      "referer",
      "x-callback",
      "via",
    ]) {
      const headers = { authorization: `Bearer ${server.rootToken}`, [header]: `http://${address}/${header}` };
      assert.equal((await fetch(`${server.url}/v1/tokens/self`, { headers })).status, 200);
    }
    assert.deepEqual(visits, []);
  } finally {
    trap.close();
  }
});
