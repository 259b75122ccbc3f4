import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type BunkmsClient, createClient, createEnvelope, decryptFile, encryptFile } from "@bunkms/client";
import { mustRun } from "../../scripts/run-program.ts";
import { startServer, type TestServer } from "../harness/server.ts";

const CONTEXT = { tenant: "acme" };
const BINDING = { context: CONTEXT, additionalData: Buffer.from("row 7") };
const LENGTHS = [0, 1, 65_536, 65_537, 300_000];

const folder = mkdtempSync(join(tmpdir(), "bunkms-sdk-go-"));
const program = join(folder, "main");
let server: TestServer;
let client: BunkmsClient;

before(async () => {
  const build = mustRun("go", ["build", "-o", program, "."], { cwd: join(import.meta.dirname, "go") });
  [server] = await Promise.all([startServer(), build]);
  writeFileSync(join(folder, "token"), server.rootToken, { mode: 0o600 });
  client = createClient({ url: server.url, token: server.rootToken });
  await client.keys.createKey({ name: "shared" });
});

after(async () => {
  rmSync(folder, { recursive: true });
  await server?.remove();
});

/** Has the Go client convert bytes, over gRPC. @throws Error with what it said. */
async function go(command: "seal-file" | "open-file" | "seal" | "open", input: Uint8Array): Promise<Buffer> {
  const child = spawn(program, [`grpc://${server.grpcAddr}`, join(folder, "token"), "shared", command]);
  const output: Buffer[] = [];
  let errors = "";
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => child.on("error", reject).on("close", resolve));
  if (code !== 0) {
    throw new Error(errors);
  }
  return Buffer.concat(output);
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces));
}

describe("what one client wrote, the other reads", () => {
  for (const length of LENGTHS) {
    test(`files of ${length} bytes`, async () => {
      const plaintext = randomBytes(length);
      const ours = await collect(encryptFile(client, [plaintext], { keyName: "shared", context: CONTEXT }));
      assert.ok(plaintext.equals(await go("open-file", ours)));
      const theirs = await go("seal-file", plaintext);
      assert.ok(plaintext.equals(await collect(decryptFile(client, [theirs], { context: CONTEXT }))));
      assert.equal(ours.length, theirs.length);
    });

    test(`messages of ${length} bytes`, async () => {
      const envelope = createEnvelope(client, { keyName: "shared" });
      const plaintext = randomBytes(length);
      assert.ok(plaintext.equals(await go("open", await envelope.encrypt(plaintext, BINDING))));
      assert.ok(plaintext.equals(Buffer.from(await envelope.decrypt(await go("seal", plaintext), BINDING))));
      envelope.close();
    });
  }
});

describe("REQ-14: what was changed, the other refuses", () => {
  test("files", async () => {
    const theirs = await go("seal-file", Buffer.from("text"));
    theirs[theirs.length - 1] = (theirs.at(-1) as number) ^ 1;
    await assert.rejects(collect(decryptFile(client, [theirs], { context: CONTEXT })), { code: "changed" });
    await assert.rejects(go("open-file", theirs), /the file was changed/);
  });

  test("messages", async () => {
    const envelope = createEnvelope(client, { keyName: "shared" });
    const theirs = await go("seal", Buffer.from("text"));
    theirs[theirs.length - 1] = (theirs.at(-1) as number) ^ 1;
    await assert.rejects(envelope.decrypt(theirs, BINDING), { code: "decryption_failed" });
    await assert.rejects(go("open", theirs), /cannot|failed|decrypt/);
    envelope.close();
  });
});
