import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { getOption, ScalarType } from "@bufbuild/protobuf";
import { AuditClass, audit, ERRORS, isErrorCode, readOperations } from "@bunkms/contract";
import { openOrCreate } from "../../packages/server/src/boot/unseal.ts";
import { envSeal } from "../../packages/server/src/seal/env.ts";
import { openSqliteStore } from "../../packages/server/src/store/sqlite.ts";
import { readKeyring } from "../../packages/server/src/vault/keyring-record.ts";
import { openRoot, readSlots } from "../../packages/server/src/vault/root.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { readTrail, type TrailEntry } from "./audit-trail.ts";
import { Canaries, formsOf } from "./canaries.ts";
import { callEverything, sendWrongGrpc, sendWrongRest } from "./canary-calls.ts";
import { callAsGoClients } from "./canary-go-clients.ts";
import { bothTransports, closeAll, operationOf } from "./operation-call.ts";

const canaries = new Canaries();
const masterKey = canaries.bytes("master key");
const jwtSecret = canaries.text("JWT secret");

const rpcAddress = (of: TestServer): string => /^RPC {3}(\S+),/m.exec(of.output())?.[1] ?? "";

let folder: string;
let dataPath: string;
let server: TestServer;
/** All that can be seen from outside, by where it was seen. */
const seen = new Map<string, Buffer>();
let errorBodies: readonly string[];
let trail: readonly TrailEntry[];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-canary-"));
  dataPath = join(folder, "data");
  const keyFile = join(folder, "master.key");
  await writeFile(keyFile, `base64:${masterKey.toString("base64")}\n`, { mode: 0o600 });
  const jwtSecretFile = join(folder, "jwt.secret");
  await writeFile(jwtSecretFile, `${jwtSecret}\n`, { mode: 0o600 });
  const options = {
    dev: false,
    dataPath,
    env: { BUNKMS_MASTER_KEY_FILE: keyFile, BUNKMS_JWT_SECRET_FILE: jwtSecretFile },
    args: ["--log-level", "debug", "--rpc-addr", "127.0.0.1:0", "--rpc-secrets", "rpc.*"],
  };
  // The root token is printed at the first start, as documented; that output is looked at without it.
  const first = await startServer(options);
  const { rootToken } = first;
  canaries.add("root token", Buffer.from(rootToken));
  await first.stop();
  seen.set("output of the first start", Buffer.from(first.output().replaceAll(rootToken, "")));
  await first.remove();

  server = await startServer(options);
  const transports = bothTransports(server);
  for (const transport of transports) {
    await callEverything(transport, rootToken, canaries);
  }
  errorBodies = [
    ...(await sendWrongRest(server.url, rootToken, canaries)),
    ...(await sendWrongGrpc(server.grpcAddr, rootToken, canaries)),
    ...(await callAsGoClients(transports, rpcAddress(server), jwtSecret, canaries)),
  ];
  trail = (await readTrail(transports[0], rootToken)).entries;
  const metrics = await transports[0].call(operationOf("system.metrics"), {}, { token: rootToken });
  seen.set("metrics", Buffer.from(metrics.value["data"] as string, "base64"));
  seen.set("audit entries", Buffer.from(JSON.stringify(trail)));
  seen.set("error answers", Buffer.from(errorBodies.join("\n")));
  for (const name of ["cmdline", "environ", "comm", "limits"]) {
    seen.set(`process ${name}`, readFileSync(`/proc/${server.pid}/${name}`));
  }
  closeAll(transports);
  seeFolder("at work");
  await server.kill();
  seen.set("output", Buffer.from(server.output()));
  seeFolder("after kill -9");
  await addKeyMaterial();
  const again = await startServer(options);
  await again.stop();
  seen.set("output of the last start", Buffer.from(again.output()));
  await again.remove();
  seeFolder("after a stop");
});

after(async () => {
  await server.remove();
  await rm(folder, { recursive: true, force: true });
});

/** Every file of the data folder, one by one. */
function seeFolder(when: string): void {
  for (const name of readdirSync(dataPath, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".new") && statSync(join(dataPath, name)).isFile()) {
      seen.set(`${name} ${when}`, readFileSync(join(dataPath, name)));
    }
  }
}

/** The vault's own keys, which nobody is ever told, read out of a copy. */
async function addKeyMaterial(): Promise<void> {
  const copy = join(folder, "copy");
  // The draft of the witness file comes and goes.
  await cp(dataPath, copy, { recursive: true, filter: (name) => !name.endsWith(".new") });
  const store = await openSqliteStore(copy);
  const seal = envSeal(Buffer.from(masterKey));
  const { root } = await openRoot(await readSlots(store), seal, new AbortController().signal);
  canaries.add("root key", Buffer.from(root.key));
  const { content: keyring } = await readKeyring(store, root);
  canaries.add("base key", Buffer.from(keyring.baseKey));
  for (const { version, key } of keyring.barrierKeys) {
    canaries.add(`barrier key ${version}`, Buffer.from(key));
  }
  const { vault } = await openOrCreate(store, envSeal(Buffer.from(masterKey)));
  for await (const { path, payload } of vault.records.all("key-material")) {
    canaries.add(`key material ${path}`, payload);
    if (payload.length !== 32) {
      const key = createPrivateKey({ key: payload, format: "der", type: "pkcs8" });
      // A post-quantum key has its seed as `priv`.
      const { d, priv } = key.export({ format: "jwk" }) as { readonly d?: string; readonly priv?: string };
      canaries.add(`private key ${path}`, Buffer.from((d ?? priv) as string, "base64url"));
    }
  }
  await store.close();
}

test("REQ-06 the search itself finds a value in each form, also inside of other encoded text", () => {
  const probe = new Canaries();
  const value = probe.bytes("probe");
  const hidden = [
    value,
    ...["hex", "base64", "base64url"].map((encoding) => Buffer.from(value.toString(encoding as BufferEncoding))),
    Buffer.from(value.toString("hex").toUpperCase()),
    ...["a", "ab", "abc"].map((before) =>
      Buffer.from(Buffer.concat([Buffer.from(before), value, Buffer.from("after")]).toString("base64")),
    ),
  ];
  for (const bytes of hidden) {
    assert.deepEqual(probe.findIn(Buffer.concat([Buffer.alloc(100, 7), bytes, Buffer.alloc(100, 7)])), ["probe"]);
  }
  assert.deepEqual(probe.findIn(Buffer.alloc(1000, 7)), []);
  assert.ok(formsOf(value).every((form) => form.length >= 32));
});

test("REQ-06 no secret, key or token occurs in any file, log, audit entry, metric, error or process listing", (t) => {
  const findings = [...seen].flatMap(([where, bytes]) =>
    canaries.findIn(bytes).map((label) => `${label}: in ${where}`),
  );
  t.diagnostic(`${canaries.size} values looked for in ${seen.size} places`);
  assert.deepEqual(findings, []);
  assert.ok(canaries.size > 100 && seen.size > 15);
  assert.ok((seen.get("output")?.length ?? 0) > 10_000, "the log was empty: nothing was looked at");
  assert.ok(
    [...seen.keys()].some((name) => name.startsWith("bunkms.db-wal")),
    "the write-ahead log was not looked at",
  );
});

test("CVE-2025-4166 CVE-2025-52893 no error repeats what it was given", () => {
  for (const answer of errorBodies) {
    assert.deepEqual(canaries.findIn(Buffer.from(answer)), [], answer);
  }
});

test("REQ-39 COSMIAN-2026-013 COSMIAN-2026-014 errors carry a stable code and safe text, and nothing of the inside", () => {
  const rest = errorBodies.filter((answer) => /^HTTP\/1\.1 [45]/.test(answer));
  assert.ok(rest.length > 60);
  for (const answer of rest) {
    const body = answer.slice(answer.indexOf("\r\n\r\n") + 4);
    const error = JSON.parse(body) as { error: string; code: string; request_id: string };
    assert.deepEqual(Object.keys(error).toSorted(), ["code", "error", "request_id"], body);
    assert.ok(isErrorCode(error.code), body);
    const status = Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
    assert.ok(status === ERRORS[error.code].http || status === 431, answer);
    assert.doesNotMatch(error.error, /Error\b|\bat .*:\d+|node:|node_modules|\.ts\b|sqlite|SELECT|bunkms\.db/);
    assert.ok(!answer.includes(folder), answer);
  }
});

test("CVE-2025-62513 CVE-2025-62705 audit entries hold only what the contract lists, and bytes never in clear", () => {
  const methods = new Map(readOperations().map(({ action, method }) => [action, method]));
  assert.ok(trail.length > 100);
  for (const { operation, request, response } of trail) {
    const method = methods.get(operation);
    for (const [recorded, message] of [[request, method?.input] as const, [response, method?.output] as const]) {
      for (const [name, value] of Object.entries(recorded)) {
        // The alias by which a key was named is recorded besides: no caller's value, but a name of the vault.
        if (name === "alias" && message === method?.input && value.startsWith("@")) {
          assert.match(value, /^@(rest|grpc)-alias$/);
          continue;
        }
        // Read from the descriptors anew: what the server makes of them is what is being tested.
        const field = message?.fields.find((candidate) => candidate.name === name);
        assert.ok(field !== undefined, `${operation}: ${name}`);
        const inClear = getOption(field, audit) === AuditClass.CLEAR && field.scalar !== ScalarType.BYTES;
        assert.ok(inClear || getOption(field, audit) === AuditClass.HMAC, `${operation}: ${name} is recorded`);
        assert.equal(/^hmac-sha256:[0-9a-f]{64}$/.test(value), !inClear, `${operation}: ${name}`);
      }
    }
  }
  const hashed = trail.filter(({ request }) => request["aad"] !== undefined || request["digest_b64"] !== undefined);
  assert.ok(hashed.length >= 4, "no entry with a hashed field was looked at");
});
