import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import { type Config, readConfig } from "./config.ts";
import { ConfigError } from "./config-error.ts";

const KEY_HEX = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const folder = mkdtempSync(join(tmpdir(), "bunkms-config-"));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  rmSync(path, { force: true });
  writeFileSync(path, content, { mode });
  return path;
}

const keyFile = file("master.key", `${KEY_HEX}\n`);
const certFile = file("tls.crt", "certificate");
const tlsKeyFile = file("tls.key", "key");

/** Production mode with a master key, so that a test shows only what it is about. */
function read(argv: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Config {
  return readConfig(["--master-key-file", keyFile, ...argv], env);
}

function reasons(argv: readonly string[], env: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    readConfig(argv, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.reasons;
  }
  assert.fail("the settings were accepted");
}

function refuses(argv: readonly string[], env: NodeJS.ProcessEnv, reason: RegExp): void {
  const found = reasons(argv.includes("--dev") ? argv : ["--master-key-file", keyFile, ...argv], env);
  assert.equal(found.length, 1, found.join("\n"));
  assert.match(found[0] ?? "", reason);
}

test("without settings, development mode has the documented defaults", () => {
  const config = readConfig(["--dev"], {});
  assert.deepEqual(
    { ...config },
    {
      command: "serve",
      dev: true,
      restAddress: { host: "127.0.0.1", port: 8080, isLoopback: true },
      grpcAddress: { host: "127.0.0.1", port: 8081, isLoopback: true },
      rpc: undefined,
      jwt: undefined,
      dataPath: resolve("bunkms-data"),
      store: "sqlite",
      audit: {
        file: undefined,
        syslog: undefined,
        otlp: undefined,
        webhook: undefined,
        ca: undefined,
        client: undefined,
        from: "beginning",
      },
      settingsFile: undefined,
      witnessFile: undefined,
      acceptRollback: undefined,
      rootTokenTtl: 0,
      seals: {
        named: undefined,
        masterKey: undefined,
        nextMasterKeyPath: undefined,
        fileKey: undefined,
        pkcs11: undefined,
        awskms: undefined,
        gcpkms: undefined,
        azurekv: undefined,
        transit: undefined,
      },
      tls: undefined,
      logLevel: "info",
      metricsPublic: false,
      jwksPublic: false,
      auditPublic: false,
      auditPolicy: undefined,
      auditArchive: undefined,
      auditMaxBytes: 0,
      maxInFlight: 1024,
    },
  );
});

test("the configuration is frozen", () => {
  const config = read();
  assert.ok(Object.isFrozen(config));
  assert.ok(Object.isFrozen(config.restAddress));
});

test("flags go before the environment, the environment before the file, the file before the defaults", () => {
  const path = file("settings", "BUNKMS_LOG_LEVEL=error\nBUNKMS_MAX_IN_FLIGHT=7\nBUNKMS_STORE=memory\n");
  const env = { BUNKMS_CONFIG: path, BUNKMS_LOG_LEVEL: "warn", BUNKMS_MAX_IN_FLIGHT: "8" };
  const config = read(["--log-level=debug"], env);
  assert.equal(config.logLevel, "debug");
  assert.equal(config.maxInFlight, 8);
  assert.equal(config.store, "memory");
  assert.equal(config.metricsPublic, false);
});

test("a flag takes its value after a space or after an equals sign, a switch needs none", () => {
  const config = read(["--addr", "127.0.0.1:1", "--grpc-addr=[::1]:2", "--metrics-public"]);
  assert.equal(config.restAddress.port, 1);
  assert.deepEqual({ ...config.grpcAddress }, { host: "::1", port: 2, isLoopback: true });
  assert.equal(config.metricsPublic, true);
  assert.equal(read(["--metrics-public=false"], { BUNKMS_METRICS_PUBLIC: "true" }).metricsPublic, false);
});

test("JWK sets need a token unless the operator says otherwise", () => {
  assert.equal(read().jwksPublic, false);
  assert.equal(read(["--jwks-public"]).jwksPublic, true);
  assert.equal(read([], { BUNKMS_JWKS_PUBLIC: "true" }).jwksPublic, true);
});

test("the command is the first argument", () => {
  assert.equal(readConfig(["new-root-token", "--dev"], {}).command, "new-root-token");
  assert.equal(readConfig(["--help"], {}).command, "help");
  assert.equal(readConfig(["--dev", "--version", "--nonsense"], { BUNKMS_NONSENSE: "1" }).command, "version");
  refuses(["--dev", "new-root-token"], {}, /^argument 2: is neither a flag nor a command/);
});

test("all reasons are given at once", () => {
  const found = reasons(["--nonsense", "--log-level=loud", "--tls-cert", certFile], { BUNKMS_OTHER: "x" });
  assert.deepEqual(found, [
    "--nonsense: unknown flag; --help lists them",
    "BUNKMS_OTHER: unknown environment variable; --help lists them",
    "--log-level / BUNKMS_LOG_LEVEL: must be one of debug, info, warn, error, silent",
    "--tls-cert and --tls-key go together: give both or none",
  ]);
});

test("an unknown flag, a flag given twice and a flag without value stop the start", () => {
  refuses(["--dev", "--adr=127.0.0.1:1"], {}, /^--adr: unknown flag/);
  refuses(["--dev", "--store=memory", "--store=memory"], {}, /^--store: is given twice/);
  refuses(["--dev", "--dev"], {}, /^--dev: is given twice/);
  refuses(["--dev", "--store"], {}, /^--store: needs a value/);
  refuses(["--store", "--dev"], {}, /^--store: needs a value/);
  refuses(["--dev", "extra"], {}, /^argument 2: is neither a flag nor a command/);
});

test("an unknown BUNKMS_ variable stops the start, those of the CLI and the tests do not", () => {
  refuses(["--dev"], { BUNKMS_ADRESS: "127.0.0.1:1" }, /^BUNKMS_ADRESS: unknown environment variable/);
  refuses(["--dev"], { BUNKMS_addr: "127.0.0.1:1" }, /unknown environment variable/);
  refuses(["--dev"], { BUNKMS_DEV: "true" }, /^BUNKMS_DEV: unknown environment variable/);
  readConfig(["--dev"], {
    BUNKMS_TOKEN: "x",
    BUNKMS_TOKEN_FILE: "x",
    BUNKMS_URL: "x",
    BUNKMS_CACERT: "x",
    BUNKMS_SOAK: "1",
    BUNKMS_TEST_ANYTHING: "x",
    PATH: "/bin",
  });
});

const MALFORMED: readonly (readonly [setting: string, values: readonly string[]])[] = [
  [
    "BUNKMS_ADDR",
    [
      "",
      "8080",
      ":",
      ":65536",
      "[]:8080",
      "127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "127.0.0.1:08080",
      "127.0.0.1:80a",
      "127.0.0.1:8080 ",
      "127.0.0.256:80",
      "127.1:80",
      "::1:8080",
      "[::1]",
      "[::g]:80",
      "[127.0.0.1]:80",
      "example.org:80",
      "LOCALHOST:80",
      "http://127.0.0.1:80",
    ],
  ],
  ["BUNKMS_MAX_IN_FLIGHT", ["", "0", "-1", "1.5", "1e3", "0x10", "65537", "9999999999", "many"]],
  ["BUNKMS_STORE", ["", "SQLITE", "postgres", "toString"]],
  ["BUNKMS_LOG_LEVEL", ["", "INFO", "verbose", "__proto__"]],
  ["BUNKMS_METRICS_PUBLIC", ["", "1", "yes", "TRUE"]],
  ["BUNKMS_ALLOW_PLAINTEXT", ["", "0", "False"]],
  ["BUNKMS_DATA_PATH", ["", "a\0b"]],
];

for (const [variable, values] of MALFORMED) {
  test(`a malformed ${variable} stops the start with what it must be`, () => {
    for (const value of values) {
      refuses(["--dev"], { [variable]: value }, new RegExp(`${variable}: (is empty$|must be )`));
    }
  });
}

test("ports from 0 to 65535, IPv4, bracketed IPv6 and localhost are addresses", () => {
  const cases = {
    "127.0.0.1:0": { host: "127.0.0.1", port: 0, isLoopback: true },
    "127.9.9.9:65535": { host: "127.9.9.9", port: 65535, isLoopback: true },
    "localhost:1": { host: "127.0.0.1", port: 1, isLoopback: true },
    "[::1]:1": { host: "::1", port: 1, isLoopback: true },
    "[0:0:0:0:0:0:0:1]:1": { host: "0:0:0:0:0:0:0:1", port: 1, isLoopback: true },
    "0.0.0.0:1": { host: "0.0.0.0", port: 1, isLoopback: false },
    "[::]:1": { host: "::", port: 1, isLoopback: false },
    "10.0.0.1:1": { host: "10.0.0.1", port: 1, isLoopback: false },
  };
  for (const [text, address] of Object.entries(cases)) {
    assert.deepEqual({ ...read(["--allow-plaintext", "--addr", text]).restAddress }, address);
  }
});

test("development mode refuses every address but loopback, with or without TLS", () => {
  for (const address of ["0.0.0.0:8080", "[::]:8080", "192.168.0.1:8080"]) {
    refuses(["--dev", "--addr", address], {}, /^--addr \/ BUNKMS_ADDR: development mode listens on loopback only/);
    refuses(["--dev", "--grpc-addr", address], {}, /^--grpc-addr \/ BUNKMS_GRPC_ADDR: development mode/);
  }
  const tls = ["--tls-cert", certFile, "--tls-key", tlsKeyFile, "--allow-plaintext"];
  refuses(["--dev", ...tls, "--addr", "0.0.0.0:8080"], {}, /development mode listens on loopback only/);
});

test("production mode refuses another address than loopback without TLS unless that is allowed", () => {
  refuses(["--addr", "0.0.0.0:8080"], {}, /is not loopback and there is no TLS/);
  read(["--addr", "0.0.0.0:8080", "--allow-plaintext"]);
  read(["--addr", "0.0.0.0:8080"], { BUNKMS_TLS_CERT: certFile, BUNKMS_TLS_KEY: tlsKeyFile });
});

test("both listeners on one port are refused, but not when the system chooses the ports", () => {
  refuses(["--dev", "--addr", "127.0.0.1:9", "--grpc-addr", "localhost:9"], {}, /are the same/);
  readConfig(["--dev", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"], {});
});

test("the TLS certificate and key go together and must be readable", () => {
  refuses(["--tls-key", tlsKeyFile], {}, /go together/);
  const absent = join(folder, "absent");
  refuses(["--tls-cert", certFile, "--tls-key", absent], {}, /^--tls-key .*cannot be read \(ENOENT\)/);
  assert.deepEqual(
    { ...read(["--tls-cert", certFile, "--tls-key", tlsKeyFile]).tls },
    {
      certPath: certFile,
      keyPath: tlsKeyFile,
    },
  );
});

test("REQ-11: without a master key there is none, in production mode too", () => {
  assert.equal(readConfig([], {}).seals.masterKey, undefined);
});

test("REQ-07: the master key is handed over once, and leaves the environment", () => {
  const env: NodeJS.ProcessEnv = { BUNKMS_MASTER_KEY: KEY_HEX };
  const { masterKey } = readConfig([], env).seals;
  assert.deepEqual(env, {});
  assert.deepEqual(masterKey?.take(), Buffer.from(KEY_HEX, "hex"));
  assert.throws(() => masterKey?.take(), /taken already/);
});

test("REQ-07: the master key leaves the environment also when the settings are refused", () => {
  const env: NodeJS.ProcessEnv = { BUNKMS_MASTER_KEY: KEY_HEX };
  assert.equal(reasons(["--nonsense"], env).length, 1);
  assert.deepEqual(env, {});
  const helped: NodeJS.ProcessEnv = { BUNKMS_MASTER_KEY: KEY_HEX };
  readConfig(["--help"], helped);
  assert.deepEqual(helped, {});
});

test("a master key and a master key file together are refused, whichever sources they come from", () => {
  refuses([], { BUNKMS_MASTER_KEY: KEY_HEX }, /^BUNKMS_MASTER_KEY and BUNKMS_MASTER_KEY_FILE are both given/);
  const path = file("settings", `BUNKMS_MASTER_KEY=${KEY_HEX}\n`);
  refuses(["--config", path], {}, /are both given/);
});

test("REQ-06, COSMIAN-2026-013, COSMIAN-2026-014: a printed configuration shows no secret", () => {
  const config = readConfig([], { BUNKMS_MASTER_KEY: `base64:${Buffer.from(KEY_HEX, "hex").toString("base64")}` });
  const printed = [
    JSON.stringify(config),
    inspect(config, { depth: 9, showHidden: true, customInspect: true }),
    inspect(config, { depth: 9, showHidden: true, customInspect: false }),
    String(config.seals.masterKey),
    `${config.seals.masterKey}`,
  ].join("\n");
  const bytes = Buffer.from(KEY_HEX, "hex");
  for (const form of [KEY_HEX, bytes.toString("base64").slice(0, 20), bytes.toString("latin1"), "00 01 02 03"]) {
    assert.ok(!printed.includes(form), printed);
  }
  assert.ok(printed.includes("[master key]"));
});

test("CVE-2025-4166, COSMIAN-2026-014: a refusal never repeats a value, wherever a secret was put", () => {
  const secret = "5ecre7-5ecre7-5ecre7-5ecre7";
  const path = file("settings", `${secret}\nBUNKMS_${secret}=1\n${secret}=${secret}\nBUNKMS_ADDR=${secret}\n`);
  const found = reasons(
    [`--master-key=${secret}`, `--store=${secret}`, secret, `--${secret}`, "--x", secret, "--config", path],
    {
      BUNKMS_MASTER_KEY: secret,
      BUNKMS_LOG_LEVEL: secret,
      [`BUNKMS_${secret}`]: secret,
      BUNKMS_GRPC_ADDR: secret,
    },
  );
  assert.ok(found.length >= 12, found.join("\n"));
  assert.ok(!found.join("\n").includes("5ecre7"), found.join("\n"));
});

test("a master key as a flag is refused with the way to give it", () => {
  refuses(
    ["--dev", `--master-key=${KEY_HEX}`],
    {},
    /^--master-key: is no flag.*--master-key-file or BUNKMS_MASTER_KEY$/,
  );
});

test("audit sinks are read, their secrets from files of their owner's alone, and printing shows none of these", () => {
  const secret = file("hook.secret", `whsec_${Buffer.alloc(32, 5).toString("base64")}\n`);
  const headers = file("otlp.headers", "authorization: Bearer canary\n");
  const { audit } = read([], {
    BUNKMS_AUDIT_FILE: join(folder, "audit.jsonl"),
    BUNKMS_AUDIT_FILE_MAX_SIZE: "1",
    BUNKMS_AUDIT_SYSLOG: "tls://[::1]:6514",
    BUNKMS_AUDIT_OTLP: "https://collector.example:4318/",
    BUNKMS_AUDIT_OTLP_HEADERS_FILE: headers,
    BUNKMS_AUDIT_WEBHOOK: "https://hooks.example/audit/",
    BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: secret,
    BUNKMS_AUDIT_SINKS_FROM: "now",
  });
  assert.deepEqual(audit.file, { path: join(folder, "audit.jsonl"), maxBytes: 1024 * 1024, keep: 10 });
  assert.deepEqual(audit.syslog, { host: "::1", port: 6514, isTls: true });
  assert.equal(audit.otlp?.address, "https://collector.example:4318");
  assert.equal(audit.webhook?.address, "https://hooks.example/audit/");
  assert.equal(audit.from, "now");
  assert.equal(audit.otlp?.headers?.read().toString(), "authorization: Bearer canary");
  assert.doesNotMatch(inspect(audit, { depth: 9 }) + JSON.stringify(audit), /canary|whsec/);

  chmodSync(secret, 0o640);
  const hook = { BUNKMS_AUDIT_WEBHOOK: "https://hooks.example", BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: secret };
  refuses([], hook, /others than its owner/);
  refuses([], { BUNKMS_AUDIT_WEBHOOK: "https://hooks.example" }, /go together/);
  refuses([], { BUNKMS_AUDIT_OTLP_HEADERS_FILE: headers }, /there is no/);
  refuses([], { BUNKMS_AUDIT_CA_CERT: headers }, /no certificate/);
});

test("a client certificate and its private key come together, for a sink over TLS, from files that can be read", () => {
  const client = (certPath: string, keyPath: string) => ({
    BUNKMS_AUDIT_CLIENT_CERT: certPath,
    BUNKMS_AUDIT_CLIENT_KEY: keyPath,
  });
  const [certPath, keyPath] = [file("client.pem", "certificate"), file("client.key", "canary")];
  const webhook = {
    BUNKMS_AUDIT_WEBHOOK_SECRET_FILE: file("client-hook.secret", `whsec_${Buffer.alloc(32, 5).toString("base64")}`),
  };
  for (const sink of [
    { BUNKMS_AUDIT_SYSLOG: "tls://logs.example:6514" },
    { BUNKMS_AUDIT_OTLP: "https://collector.example:4318" },
    { ...webhook, BUNKMS_AUDIT_WEBHOOK: "HTTPS://hooks.example" },
  ]) {
    const { audit } = read([], { ...sink, ...client(certPath, keyPath) });
    assert.deepEqual(audit.client, { certPath, keyPath });
  }
  for (const sink of [
    {},
    { BUNKMS_AUDIT_FILE: join(folder, "audit.jsonl") },
    { BUNKMS_AUDIT_SYSLOG: "tcp://127.0.0.1:601", BUNKMS_AUDIT_OTLP: "http://127.0.0.1:4318" },
    { ...webhook, BUNKMS_AUDIT_WEBHOOK: "http://127.0.0.1/https://" },
  ]) {
    refuses([], { ...sink, ...client(certPath, keyPath) }, /^--audit-client-cert.*there is no audit sink over TLS/);
  }
  const syslog = { BUNKMS_AUDIT_SYSLOG: "tls://logs.example:6514" };
  refuses(
    [],
    { ...syslog, BUNKMS_AUDIT_CLIENT_CERT: certPath },
    /^--audit-client-cert.*--audit-client-key.*both or none/,
  );
  refuses(
    [],
    { ...syslog, BUNKMS_AUDIT_CLIENT_KEY: keyPath },
    /^--audit-client-cert.*--audit-client-key.*both or none/,
  );
  const missing = join(folder, "no-such-file");
  refuses([], { ...syslog, ...client(missing, keyPath) }, /^--audit-client-cert.*cannot be read \(ENOENT\)/);
  refuses([], { ...syslog, ...client(certPath, missing) }, /^--audit-client-key.*cannot be read \(ENOENT\)/);
  refuses([], { ...syslog, ...client(folder, keyPath) }, /^--audit-client-cert.*not a regular file/);
  refuses([], { ...syslog, ...client(certPath, folder) }, /^--audit-client-key.*not a regular file/);
  const large = file("large.key", "x".repeat(65_537));
  refuses([], { ...syslog, ...client(certPath, large) }, /^--audit-client-key.*larger than 65536 bytes/);
  for (const mode of [0o640, 0o604, 0o620]) {
    chmodSync(keyPath, mode);
    refuses([], { ...syslog, ...client(certPath, keyPath) }, /^--audit-client-key.*others than its owner/);
  }
  // Root may read what nobody may.
  if (process.getuid?.() !== 0) {
    chmodSync(keyPath, 0);
    refuses([], { ...syslog, ...client(certPath, keyPath) }, /^--audit-client-key.*cannot be read \(EACCES\)/);
  }
});

test("a syslog address is TLS, or of this machine", () => {
  const of = (address: string) => read([], { BUNKMS_AUDIT_SYSLOG: address }).audit.syslog;
  assert.deepEqual(of("tls://logs.example:6514"), { host: "logs.example", port: 6514, isTls: true });
  assert.deepEqual(of("tcp://127.0.0.1:601"), { host: "127.0.0.1", port: 601, isTls: false });
  assert.deepEqual(of("tcp://localhost:601"), { host: "127.0.0.1", port: 601, isTls: false });
  assert.deepEqual(of("tcp://[::1]:601"), { host: "::1", port: 601, isTls: false });
  for (const address of [
    ...["tcp://logs.example:601", "tcp://10.0.0.1:601", "tcp://[2001:db8::1]:601", "udp://127.0.0.1:514"],
    ...["tls://logs.example", "tls://logs.example:0", "tls://logs.example:65536", "tls://user@logs.example:1"],
    ...["tls://:6514", "tls://[logs]:6514", "logs.example:6514", "tls://logs.example:6514/", "tls://a b:1"],
  ]) {
    refuses([], { BUNKMS_AUDIT_SYSLOG: address }, /^--audit-syslog.*must be tls:/);
  }
});
