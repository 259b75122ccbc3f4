import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { type Config, readConfig } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { REPLACED_SETTINGS } from "./replaced-settings.ts";
import { SETTINGS } from "./settings.ts";

const SECRET = "jwt-secret-0123456789-0123456789";
/** What the platform's docker-compose.yml says of its KMS, but for the audit log. */
const COMPOSE = {
  BUNKMS_ADDR: ":8080",
  BUNKMS_RPC_ADDR: ":9092",
  BUNKMS_MASTER_KEY: "base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
  BUNKMS_DATA_PATH: "/data",
};
/** What this server wants to be told besides. */
const MORE = {
  BUNKMS_ALLOW_PLAINTEXT: "true",
  BUNKMS_RPC_SECRETS: "tenant_auth.*",
  BUNKMS_RPC_CLIENTS: "172.18.0.0/16",
};

const folder = mkdtempSync(join(tmpdir(), "bunkms-config-"));
after(() => rmSync(folder, { recursive: true }));

function read(env: NodeJS.ProcessEnv, argv: readonly string[] = []): Config {
  return readConfig(argv, { BUNKMS_MASTER_KEY: "5a".repeat(32), ...env });
}

function reasons(env: NodeJS.ProcessEnv, argv: readonly string[] = []): readonly string[] {
  try {
    read(env, argv);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.reasons;
  }
  assert.fail("the settings were accepted");
}

test("the settings of the platform's compose file are understood, with what has to be said of a port without authentication", () => {
  const { restAddress, rpc, dataPath, jwt } = read({ ...COMPOSE, ...MORE });
  assert.deepEqual({ ...restAddress }, { host: "::", port: 8080, isLoopback: false });
  assert.deepEqual(rpc?.address, { host: "::", port: 9092, isLoopback: false });
  assert.deepEqual(rpc?.secrets, ["tenant_auth.*"]);
  assert.equal(rpc?.clients?.check("172.18.0.9"), true);
  assert.equal(dataPath, "/data");
  assert.equal(jwt, undefined);
});

test("the compose file as it is, is refused: each reason names the setting that is missing", () => {
  const found = reasons(COMPOSE);
  assert.equal(found.length, 4, found.join("\n"));
  for (const name of ["BUNKMS_RPC_SECRETS", "BUNKMS_RPC_CLIENTS", "BUNKMS_ALLOW_PLAINTEXT", "--allow-plaintext"]) {
    assert.ok(
      found.some((reason) => reason.includes(name)),
      name,
    );
  }
});

test("a setting that only the BunKMS written in Go has is refused by name, with what to do in its place", () => {
  for (const variable of ["BUNKMS_AUDIT_LOG", "BUNKMS_BUFFER_POOL_SIZE", "BUNKMS_SHARDS"]) {
    assert.ok(REPLACED_SETTINGS.has(variable));
    const [reason = "", ...others] = reasons({ [variable]: "1" });
    assert.deepEqual(others, []);
    assert.match(reason, new RegExp(`^${variable}: is a setting of the BunKMS written in Go; `));
    const named = [...reason.matchAll(/BUNKMS_[A-Z_]+/g)].map(([word]) => word).filter((word) => word !== variable);
    const known = Object.values(SETTINGS).map(({ env }) => env);
    assert.ok(named.length > 0 && named.every((word) => known.includes(word)), reason);
  }
  const path = join(folder, "settings");
  writeFileSync(path, "BUNKMS_SHARDS=256\n");
  assert.match(
    reasons({}, ["--config", path]).join(),
    /line 1: BUNKMS_SHARDS: is a setting of the BunKMS written in Go/,
  );
});

test("the framed RPC is off unless an address is set, and its rights must be named", () => {
  assert.equal(read({}).rpc, undefined);
  const { rpc } = read({ BUNKMS_RPC_ADDR: "127.0.0.1:0", BUNKMS_RPC_SECRETS: "a,tenant_auth.*" });
  assert.deepEqual(rpc, {
    address: { host: "127.0.0.1", port: 0, isLoopback: true },
    secrets: ["a", "tenant_auth.*"],
    clients: undefined,
  });
  assert.match(reasons({ BUNKMS_RPC_ADDR: "127.0.0.1:0" }).join(), /no authentication.*BUNKMS_RPC_SECRETS/);
  assert.match(reasons({ BUNKMS_RPC_SECRETS: "a" }).join(), /there is no --rpc-addr/);
  assert.match(reasons({ BUNKMS_RPC_CLIENTS: "::1" }).join(), /there is no --rpc-addr/);
});

test("every secret at once, and what is no name, are not to be had by the framed RPC", () => {
  for (const text of ["*", "", "a,*", "a**", "a*b", ".a", "a b", "a,,b", "tenant_auth.*,"]) {
    assert.equal(reasons({ BUNKMS_RPC_ADDR: "127.0.0.1:0", BUNKMS_RPC_SECRETS: text }).length, 2, text);
  }
});

test("the framed RPC on another address than loopback needs its callers listed and plaintext allowed, TLS or not", () => {
  const rpc = { BUNKMS_RPC_ADDR: "192.0.2.1:9092", BUNKMS_RPC_SECRETS: "a" };
  assert.match(reasons({ ...rpc, BUNKMS_ALLOW_PLAINTEXT: "true" }).join(), /list the addresses .*BUNKMS_RPC_CLIENTS/);
  assert.match(reasons({ ...rpc, BUNKMS_RPC_CLIENTS: "192.0.2.0/24" }).join(), /has no TLS; give --allow-plaintext/);
  const clients = { BUNKMS_RPC_CLIENTS: "192.0.2.0/24", BUNKMS_ALLOW_PLAINTEXT: "true" };
  assert.match(reasons({ ...rpc, ...clients }, ["--dev"]).join(), /development mode listens on loopback only/);
  read({ ...rpc, ...clients });
});

test("no two listeners have one port", () => {
  const env = { BUNKMS_RPC_SECRETS: "a", BUNKMS_RPC_ADDR: "127.0.0.1:8081" };
  assert.match(reasons(env).join(), /--grpc-addr and --rpc-addr are the same/);
  assert.match(reasons({ ...env, BUNKMS_RPC_ADDR: "127.0.0.1:8080" }).join(), /--addr and --rpc-addr are the same/);
});

test("REQ-34: no JWT is taken unless there is a secret for it, of 32 bytes or more, from one place, and private", () => {
  assert.equal(read({}).jwt, undefined);
  assert.match(reasons({ BUNKMS_JWT_SECRET: "x".repeat(31) }).join(), /fewer than 32 bytes/);
  assert.match(reasons({ BUNKMS_JWT_SECRET: `${"x".repeat(32)}\ufffd` }).join(), /not UTF-8/);
  assert.match(reasons({ BUNKMS_JWT_ISSUER: "x" }).join(), /there is no BUNKMS_JWT_SECRET/);
  assert.match(reasons({ BUNKMS_JWT_AUDIENCE: "x" }).join(), /there is no BUNKMS_JWT_SECRET/);
  const path = join(folder, "jwt.secret");
  writeFileSync(path, `${SECRET}\n`, { mode: 0o600 });
  const fromFile = read({}, ["--jwt-secret-file", path]).jwt;
  assert.equal(fromFile?.secret.read().toString(), SECRET);
  assert.match(reasons({ BUNKMS_JWT_SECRET: SECRET }, ["--jwt-secret-file", path]).join(), /both given/);
  const open = join(folder, "open.secret");
  writeFileSync(open, SECRET, { mode: 0o644 });
  assert.match(reasons({ BUNKMS_JWT_SECRET_FILE: open }).join(), /others than its owner can read/);
});

test("a JWT's life is bounded by a setting, and may be bound to an issuer and an audience", () => {
  const { jwt } = read({ BUNKMS_JWT_SECRET: SECRET });
  assert.equal(jwt?.maxTtl, 86_400);
  assert.equal(jwt?.issuer ?? jwt?.audience, undefined);
  const bound = read({
    ...{ BUNKMS_JWT_SECRET: SECRET, BUNKMS_JWT_MAX_TTL: "600" },
    ...{ BUNKMS_JWT_ISSUER: "bunbase", BUNKMS_JWT_AUDIENCE: "kms" },
  }).jwt;
  assert.deepEqual([bound?.maxTtl, bound?.issuer, bound?.audience], [600, "bunbase", "kms"]);
  assert.match(reasons({ BUNKMS_JWT_SECRET: SECRET, BUNKMS_JWT_MAX_TTL: "7776001" }).join(), /60 to 7776000/);
});

test("REQ-06: the JWT secret leaves the environment, and printing the configuration shows nothing of it", () => {
  const env: NodeJS.ProcessEnv = { BUNKMS_MASTER_KEY: "5a".repeat(32), BUNKMS_JWT_SECRET: SECRET };
  const config = readConfig([], env);
  assert.deepEqual(env, {});
  const printed = JSON.stringify(config) + inspect(config, { depth: 9, showHidden: true, customInspect: false });
  assert.ok(!printed.includes(SECRET) && !printed.includes(Buffer.from(SECRET).toString("base64")));
  const inFile = join(folder, "secret-settings");
  writeFileSync(inFile, `BUNKMS_JWT_SECRET=${SECRET}\n`, { mode: 0o644 });
  assert.match(reasons({}, ["--config", inFile]).join(), /BUNKMS_JWT_SECRET: others than its owner/);
});
