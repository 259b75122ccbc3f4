import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { startServer } from "../../../../test/harness/server.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..", "..");
const RECORDER = pathToFileURL(join(ROOT, "test", "harness", "record-modules.ts")).href;
const CLOUDS = /node_modules\/(@aws-sdk|@smithy|@azure|@azure-rest|@google-cloud|google-gax|google-auth-library)\//;

const folder = mkdtempSync(join(tmpdir(), "bunkms-modules-"));
after(() => rmSync(folder, { recursive: true }));

/** Settings for a process whose modules are recorded, and the reading of them. */
function recorder(name: string): { readonly env: Record<string, string>; read(): readonly string[] } {
  const path = join(folder, name);
  writeFileSync(path, "");
  return {
    env: { NODE_OPTIONS: `--import=${RECORDER}`, BUNKMS_TEST_MODULES: path },
    read: () => readFileSync(path, "utf8").trim().split("\n"),
  };
}

/** The modules of a program that imports the four seals and then does something with them. */
async function modulesOf(name: string, action: string): Promise<readonly string[]> {
  const { env, read } = recorder(name);
  const imports = ["awskms", "gcpkms", "azurekv", "transit"]
    .map(
      (kind) => `import * as ${kind} from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, `${kind}.ts`)))};`,
    )
    .join("");
  const args = ["--disable-warning=ExperimentalWarning", "--input-type=module", "--eval", imports + action];
  await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
  return read();
}

/** The HTTP client behind `fetch`, and what prom-client's entry would bring. */
const UNUSED = /^NativeModule .*undici|node_modules\/@opentelemetry\//;

test("a server that starts and serves has loaded no cloud's SDK, and nothing large that it does not use", async () => {
  const { env, read } = recorder("server");
  const server = await startServer({ env });
  assert.equal((await fetch(`${server.url}/health`)).status, 200);
  assert.equal(await server.stop(), 0);
  await server.remove();
  const modules = read();
  assert.ok(modules.some((url) => url.endsWith("packages/server/src/main.ts")));
  assert.ok(modules.includes("NativeModule http"));
  assert.deepEqual(
    modules.filter((url) => CLOUDS.test(url) || UNUSED.test(url)),
    [],
  );
});

test("a seal loads its own SDK alone, and when it is opened", async () => {
  const closed = await modulesOf("closed", "");
  assert.ok(closed.some((url) => url.endsWith("seal/awskms.ts")));
  assert.deepEqual(
    closed.filter((url) => CLOUDS.test(url)),
    [],
  );
  const opened = await modulesOf("opened", 'await awskms.awskmsSeal({ keyId: "alias/x", region: "eu-west-1" });');
  assert.deepEqual(new Set(opened.map((url) => CLOUDS.exec(url)?.[1])), new Set([undefined, "@aws-sdk", "@smithy"]));
});
