import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readConfig } from "../../packages/server/src/config/config.ts";
import { ROOT } from "../../scripts/run-program.ts";
import { bunbaseSources } from "../harness/bunbase-sources.ts";
import { GET_SECRET, PUT_SECRET, RpcSocket } from "../harness/rpc-socket.ts";
import { launchServer } from "../requirements/launched-server.ts";
import { goTokens } from "./go-programs.ts";
import { JWT_SECRET } from "./go-server.ts";

const root = mkdtempSync(join(tmpdir(), "bunkms-compose-"));
after(() => rmSync(root, { recursive: true }));

/** The environment that a compose file gives the service `bunkms`, with the defaults of its variables. */
function environmentOf(yaml: string): Record<string, string> {
  const service = /^ {2}bunkms:\n((?: {4}.*\n|\n)+)/m.exec(yaml)?.[1] ?? "";
  const lines = /^ {4}environment:\n((?: {6}.*\n)+)/m.exec(service)?.[1] ?? "";
  return Object.fromEntries(
    [...lines.matchAll(/^ {6}(BUNKMS_[A-Z_]+): "?([^"\n#]*?)"?(?: +#.*)?$/gm)].map(([, name, value]) => [
      name,
      (value as string).replace(/\$\{[A-Z_]+:-(.*)\}/, "$1"),
    ]),
  );
}

/** The example of the document, with values for its variables. */
function documented(): Record<string, string> {
  const text = readFileSync(join(ROOT, "docs", "bunbase-compatibility.md"), "utf8");
  const yaml = /```yaml\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
  const { BUNKMS_MASTER_KEY: _, BUNKMS_JWT_SECRET: __, ...others } = environmentOf(`  bunkms:\n${yaml}`);
  return { ...others, BUNKMS_MASTER_KEY: platform().BUNKMS_MASTER_KEY ?? "", BUNKMS_JWT_SECRET: JWT_SECRET };
}

function platform(): Record<string, string | undefined> {
  return environmentOf(readFileSync(join(bunbaseSources(), "docs", "docker-compose.yml"), "utf8"));
}

test("the platform's compose file has the settings that the document speaks of, and no others", () => {
  assert.deepEqual(Object.keys(platform()).toSorted(), [
    "BUNKMS_ADDR",
    "BUNKMS_AUDIT_LOG",
    "BUNKMS_DATA_PATH",
    "BUNKMS_MASTER_KEY",
    "BUNKMS_RPC_ADDR",
  ]);
});

test("a server that gets the platform's settings as they are says which are to be changed, by name, and makes nothing", async () => {
  const env = Object.fromEntries(Object.entries(platform()).map(([name, value]) => [name, value ?? ""]));
  const server = launchServer({ folder: root, env });
  assert.equal(await server.end(), 2);
  for (const reason of [
    /BUNKMS_AUDIT_LOG: is a setting of the BunKMS written in Go; use BUNKMS_AUDIT_FILE/,
    /BUNKMS_ADDR: is not loopback and there is no TLS; .*--allow-plaintext/,
    /BUNKMS_RPC_ADDR: this port has no authentication; .*BUNKMS_RPC_SECRETS/,
    /BUNKMS_RPC_ADDR: is not loopback; .*BUNKMS_RPC_CLIENTS/,
  ]) {
    assert.match(server.output(), reason);
  }
});

test("the document's example is understood as it is", () => {
  const { restAddress, rpc, jwt, audit, dataPath } = readConfig([], documented());
  assert.deepEqual([restAddress.port, rpc?.address.port, rpc?.secrets], [8080, 9092, ["tenant_auth.*"]]);
  assert.equal(rpc?.clients?.check("172.18.0.3"), true);
  assert.equal(jwt?.maxTtl, 86_400);
  assert.equal(audit.file?.path, "/audit/audit.jsonl");
  assert.equal(dataPath, "/data");
});

test("with the example's settings, on loopback here, the health check, a JWT of Go and the framed RPC work", async () => {
  const folder = mkdtempSync(join(root, "run-"));
  const server = launchServer({
    folder,
    env: {
      ...documented(),
      ...{ BUNKMS_ADDR: "127.0.0.1:0", BUNKMS_GRPC_ADDR: "127.0.0.1:0", BUNKMS_RPC_ADDR: "127.0.0.1:0" },
      ...{ BUNKMS_RPC_CLIENTS: "127.0.0.0/8", BUNKMS_DATA_PATH: join(folder, "data") },
      BUNKMS_AUDIT_FILE: join(folder, "audit.jsonl"),
    },
  });
  try {
    const [, url = ""] = await server.until(/^REST {2}(\S+)$/m);
    const [, rpc = ""] = await server.until(/^RPC {3}(\S+), without authentication/m);
    // As wget --spider asks, and as it asks when it is refused.
    for (const method of ["HEAD", "GET"]) {
      assert.equal((await fetch(`${url}/health`, { method })).status, 200);
    }
    const order = { secret: JWT_SECRET, subject: "tenant-auth", role: "operator", seconds: 3600 };
    const [token = ""] = await goTokens([order]);
    const value_b64 = Buffer.from("GOCSPX-1").toString("base64");
    const socket = await RpcSocket.connect(rpc);
    assert.equal((await socket.call(PUT_SECRET, { name: "tenant_auth.a", value_b64 }))?.status, 0);
    assert.equal((await socket.call(GET_SECRET, { name: "tenant_auth.a" }))?.payload["value_b64"], value_b64);
    socket.close();
    const answer = await fetch(`${url}/v1/secrets/tenant_auth.a`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(((await answer.json()) as { readonly value: string }).value, "GOCSPX-1");
  } finally {
    server.signal("SIGTERM");
    assert.equal(await server.end(), 0);
  }
});
