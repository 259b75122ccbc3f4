import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type ServerOptions, startServer, type TestServer, withoutSettings } from "../harness/server.ts";
import { outputPattern, parseTranscript, type Step } from "./transcript.ts";

const FOLDER = import.meta.dirname;
const BIN = join(FOLDER, "..", "..", "packages", "cli", "bin", "bunkms.js");
const COMMAND_TIMEOUT_MS = 30_000;

/** Servers that are not one of development mode. The address is in the environment, since these leave none for the CLI. */
const SERVERS: Readonly<Record<string, ServerOptions>> = {
  // No vault yet; with settings for a second seal, which a slot can be added for.
  "seals.txt": {
    dev: false,
    env: { BUNKMS_SEALS: "shamir", BUNKMS_MASTER_KEY: `base64:${randomBytes(32).toString("base64")}` },
  },
};

/** Compiled code, kept for all transcripts: each command starts in half the time. */
const cache = await mkdtemp(join(tmpdir(), "bunkms-cache-"));
after(() => rm(cache, { recursive: true, force: true }));

const transcripts = readdirSync(FOLDER).filter((file) => file.endsWith(".txt"));
assert.notEqual(transcripts.length, 0);

for (const file of transcripts) {
  test(`the transcript ${file} is what happens`, async (context) => {
    const steps = parseTranscript(readFileSync(join(FOLDER, file), "utf8"));
    const server = await startServer({ ...SERVERS[file], args: ["--store", "memory", "--log-level", "warn"] });
    const folder = await mkdtemp(join(tmpdir(), "bunkms-transcript-"));
    context.after(async () => {
      await server.remove();
      await rm(folder, { recursive: true, force: true });
    });
    const env = {
      ...(await environment(server, folder)),
      ...(SERVERS[file] === undefined ? {} : { BUNKMS_URL: server.url }),
    };
    for (const step of steps) {
      runStep(step, env, join(folder, "work"), `${file}:${step.line}`);
    }
  });
}

/** A home, an empty working folder, and `bunkms` on the path. */
async function environment(server: TestServer, folder: string): Promise<NodeJS.ProcessEnv> {
  await mkdir(join(folder, "bin"));
  await mkdir(join(folder, "work"));
  const run = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${BIN}" "$@"`;
  await writeFile(join(folder, "bin", "bunkms"), `#!/bin/sh\n${run}\n`, { mode: 0o755 });
  return {
    ...withoutSettings(process.env),
    PATH: `${join(folder, "bin")}:${process.env["PATH"]}`,
    HOME: folder,
    XDG_CONFIG_HOME: server.configHome,
    XDG_CACHE_HOME: cache,
    LC_ALL: "C.UTF-8",
    // For what the transcripts tell apart from what development mode sets up.
    SERVER_URL: server.url,
  };
}

function runStep(step: Step, env: NodeJS.ProcessEnv, cwd: string, where: string): void {
  const { status, stdout, error } = spawnSync("bash", ["--norc", "-c", `exec 2>&1\n${step.command}`], {
    cwd,
    env,
    encoding: "utf8",
    // Nothing to read, and no terminal.
    stdio: ["ignore", "pipe", "pipe"],
    timeout: COMMAND_TIMEOUT_MS,
  });
  assert.ifError(error);
  // Bytes come out as they went in, often without a final newline, which a transcript cannot show.
  const output = stdout === "" || stdout.endsWith("\n") ? stdout : `${stdout}\n`;
  if (!outputPattern(step.expected).test(output)) {
    assert.equal(output, `${step.expected.join("\n")}\n`, `${where}: ${step.command}`);
  }
  assert.equal(status, step.exitCode, `${where}: ${step.command}\n${output}`);
}
