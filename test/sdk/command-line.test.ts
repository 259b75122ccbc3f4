import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ROOT } from "../../scripts/run-program.ts";
import { startServer, type TestServer, withoutSettings } from "../harness/server.ts";

const CLI = join(ROOT, "packages", "cli");
const folder = mkdtempSync(join(tmpdir(), "bunkms-sdk-cli-"));
let server: TestServer;

before(async () => {
  server = await startServer();
  writeFileSync(join(folder, "token"), server.rootToken, { mode: 0o600 });
});

after(async () => {
  rmSync(folder, { recursive: true });
  await server?.remove();
});

/** Runs the command line as its own process. */
async function bunkms(url: string, argv: readonly string[], input = "") {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", join(CLI, "bin", "bunkms.js"), ...argv],
    {
      cwd: folder,
      env: { ...withoutSettings(process.env), HOME: folder, BUNKMS_URL: url, BUNKMS_TOKEN_FILE: join(folder, "token") },
    },
  );
  const [stdout, stderr] = ["", ""].map(() => [] as string[]) as [string[], string[]];
  child.stdout.setEncoding("utf8").on("data", (text: string) => stdout.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr.push(text));
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  return { code, stdout: stdout.join(""), stderr: stderr.join("") };
}

test("the command line does over gRPC what it does over REST, says the same of what fails, and ends", async () => {
  const answers = [];
  for (const url of [server.url, `grpc://${server.grpcAddr}`]) {
    const name = `cli-${answers.length}`;
    const created = await bunkms(url, ["key", "create", name]);
    assert.equal(created.code, 0, created.stderr);
    const { stdout: ciphertext } = await bunkms(url, ["encrypt", name], "attack at dawn");
    const decrypted = await bunkms(url, ["decrypt", name], ciphertext);
    const whoami = await bunkms(url, ["whoami", "--json"]);
    const missing = await bunkms(url, ["key", "get", "no-such-key"]);
    const taken = await bunkms(url, ["key", "create", name]);
    const status = await bunkms(url, ["status"]);
    answers.push({
      decrypted,
      role: (JSON.parse(whoami.stdout) as { role: string }).role,
      missing: { ...missing, stderr: missing.stderr.replace(/request [\w-]+/, "request") },
      taken: taken.code,
      status: status.code,
    });
  }
  const [rest, grpc] = answers;
  assert.equal(rest?.decrypted.stdout, "attack at dawn");
  assert.equal(rest?.missing.code, 4);
  assert.equal(rest?.taken, 5);
  assert.deepEqual(grpc, rest);
});

test("the command line talks to the server by the client, and by nothing else", () => {
  const sources = globSync("{src,bin}/**/*.{ts,js}", { cwd: CLI }).filter(
    (name) => !/\.test\.ts$|test-bed\.ts$/.test(name),
  );
  assert.ok(sources.length > 50);
  const others = sources.filter((name) =>
    /\bfetch\(|from "node:(https?|http2|net)"/.test(
      readFileSync(join(CLI, name), "utf8").replace('import { isIP } from "node:net";', ""),
    ),
  );
  assert.deepEqual(others, []);
});
