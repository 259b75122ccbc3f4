import assert from "node:assert/strict";
import { createPublicKey } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { JsonObject } from "@bufbuild/protobuf";
import { startServer, type TestServer } from "../harness/server.ts";
import { Canaries } from "./canaries.ts";
import { type Authority, makeAuthority } from "./certificates.ts";
import {
  bothTransports,
  closeAll,
  grpcTransport,
  operationOf,
  restTransport,
  type Transport,
} from "./operation-call.ts";

let folder: string;
let authority: Authority;
let secure: TestServer;
let transports: readonly Transport[];
const canaries = new Canaries();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-transfer-"));
  authority = await makeAuthority(folder);
  const { cert, key } = await authority.issue("server");
  secure = await startServer({ args: ["--tls-cert", cert, "--tls-key", key, "--jwks-public"] });
  // By name: grpc-js takes what it connects to as the TLS server name, which must not be an IP address.
  const byName = secure.grpcAddr.replace("127.0.0.1", "localhost");
  const trust = { ca: authority.pem };
  transports = [restTransport(secure.url, trust), grpcTransport(byName, trust)];
});

after(async () => {
  closeAll(transports);
  await secure.remove();
  await rm(folder, { recursive: true });
});

async function call(transport: Transport, action: string, request: JsonObject, token = secure.rootToken) {
  const answer = await transport.call(operationOf(action), request, { token });
  assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
  return answer.value;
}

test("key material in the clear comes in over TLS, by REST and by gRPC, and not without", async () => {
  for (const transport of transports) {
    const name = `plain-${transport.name}`;
    await call(transport, "keys.create", { name, type: "hmac-sha256", imported: true, exportable: true });
    const material = canaries.bytes(name).toString("base64");
    const { latest_version } = await call(transport, "keys.import_plain", {
      name,
      material_b64: material,
      format: "raw",
    });
    assert.equal(latest_version, 1);
    await call(transport, "keys.backup", { name });
  }
  const plain = await startServer({ args: ["--store", "memory"] });
  const open = bothTransports(plain);
  try {
    for (const transport of open) {
      const name = `plain-${transport.name}`;
      const material_b64 = canaries.bytes(`${name} in the open`).toString("base64");
      await call(transport, "keys.create", { name, imported: true }, plain.rootToken);
      const answer = await transport.call(
        operationOf("keys.import_plain"),
        { name, material_b64, format: "raw" },
        { token: plain.rootToken },
      );
      assert.equal(answer.code, "insecure_transport");
      assert.equal(answer.text.includes(material_b64), false);
    }
  } finally {
    closeAll(open);
    await plain.remove();
  }
});

interface Got {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** Asks over TLS, without a token. */
function getOpenly(path: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = request(`${secure.url}${path}`, { ca: authority.pem, agent: false }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const { statusCode = 0, headers } = response;
      resolve({ status: statusCode, type: headers["content-type"] ?? "", body: Buffer.concat(chunks).toString() });
    });
    sent.on("error", reject);
    sent.end();
  });
}

test("with --jwks-public anybody reads a key's JWK set, and nothing else of it", async () => {
  const [rest] = transports as [Transport];
  await call(rest, "keys.create", { name: "tokens", type: "ecdsa-p256" });
  const { status, type, body } = await getOpenly("/v1/keys/tokens/jwks.json");
  assert.deepEqual([status, type], [200, "application/jwk-set+json"]);
  const { keys } = JSON.parse(body) as { keys: [JsonObject & { kty: string }] };
  assert.deepEqual([keys[0]["use"], keys[0]["alg"]], ["sig", "ES256"]);
  const pem = createPublicKey({ key: keys[0], format: "jwk" }).export({ format: "pem", type: "spki" });
  assert.equal((await call(rest, "keys.get_public", { name: "tokens" }))["pem"], pem);
  for (const path of ["/v1/keys/tokens", "/v1/keys/tokens/public-key", "/v1/keys", "/v1/backup-key"]) {
    assert.equal((await getOpenly(path)).status, 401, path);
  }
  const { entries } = await call(rest, "audit.list", { operation: "keys.get_jwks" });
  assert.equal((entries as JsonObject[])[0]?.["identity"], "");
});

test("REQ-06 material that came in lies readable in no file, and in no line that the server wrote", async () => {
  await secure.stop();
  const names = await readdir(secure.dataPath);
  const files = await Promise.all(names.map((name) => readFile(join(secure.dataPath, name))));
  const written = Buffer.concat([...files, Buffer.from(secure.output())]);
  assert.ok(written.includes("SQLite format 3"));
  assert.ok(canaries.size >= 4);
  assert.deepEqual(canaries.findIn(written), []);
});
