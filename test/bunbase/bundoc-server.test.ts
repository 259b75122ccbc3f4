import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mustRun } from "../../scripts/run-program.ts";
import { findClosedPort } from "../harness/canned-server.ts";
import { withoutSettings } from "../harness/server.ts";
import { buildTool, patched } from "./bundoc-build.ts";
import { BundocKms, type WrappedRecord } from "./bundoc-kms.ts";
import { filesWith, textHolds } from "./key-search.ts";

const START_TIMEOUT_MS = 20_000;

const folder = await mkdtemp(join(tmpdir(), "bunkms-bundoc-server-"));
const kms = await BundocKms.start();
const running = new Set<BundocServer>();
after(async () => {
  for (const server of running) {
    await server.stop("SIGKILL");
  }
  await Promise.all([kms.remove(), rm(folder, { recursive: true })]);
});
const program = await (await patched()).server();
const tool = await buildTool(folder);

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** A bundoc-server in a folder of its own. */
class BundocServer {
  readonly #child: ChildProcess;
  readonly #url: string;
  readonly ended: Promise<unknown>;
  output = "";

  private constructor(child: ChildProcess, url: string) {
    this.#child = child;
    this.#url = url;
    this.ended = once(child, "close");
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    running.add(this);
  }

  /** @throws Error with what it printed, when it ends in place of serving. */
  static async start(home: string, settings: Readonly<Record<string, string>>): Promise<BundocServer> {
    await mkdir(home, { recursive: true });
    const [port, httpPort] = [await findClosedPort(), await findClosedPort()];
    const child = spawn(program, ["-port", `${port}`, "-http-port", `${httpPort}`], {
      cwd: home,
      env: { ...withoutSettings(process.env), ...settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const server = new BundocServer(child, `http://127.0.0.1:${httpPort}`);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (performance.now() < deadline && child.exitCode === null) {
      const answer = await fetch(`${server.#url}/health`).catch(() => undefined);
      if (answer?.ok === true) {
        return server;
      }
      await sleep(20);
    }
    await server.stop("SIGKILL");
    throw new Error(server.output);
  }

  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    this.#child.kill(signal);
    await this.ended;
    running.delete(this);
  }

  async call(method: string, project: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await fetch(`${this.#url}/v1/projects/${project}/databases/(default)/${path}`, {
      method,
      headers: { "Content-Type": "application/json", "X-Bundoc-Admin": "true" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, text: await answer.text() };
  }

  async put(project: string, id: string, text: string): Promise<void> {
    const { status, text: said } = await this.call("POST", project, "documents/notes", { _id: id, text });
    assert.ok(status < 300, `${status} ${said}`);
  }

  async mustHold(project: string, id: string, text: string): Promise<void> {
    const { status, text: said } = await this.call("GET", project, `documents/notes/${id}`);
    assert.equal(status, 200, said);
    assert.equal(JSON.parse(said)["text"], text);
  }
}

function projectsOf(home: string): string {
  return join(home, "data", "projects");
}

async function recordOf(home: string, project: string): Promise<WrappedRecord> {
  const catalog = JSON.parse(await readFile(join(projectsOf(home), project, "system_catalog.json"), "utf8"));
  const record = JSON.parse(await readFile(join(projectsOf(home), project, "bunkms-dek.json"), "utf8"));
  assert.deepEqual(catalog["bunkms"], record);
  return record;
}

test("each project has a DEK of its own, in no file, and survives restarts", async () => {
  const home = join(folder, "projects");
  let server = await BundocServer.start(home, kms.settings);
  await Promise.all(["alpha", "beta"].map((project) => server.put(project, "one", `a text of ${project}`)));
  await server.stop();
  const first = server.output;
  server = await BundocServer.start(home, kms.settings);
  for (const project of ["alpha", "beta"]) {
    await server.mustHold(project, "one", `a text of ${project}`);
  }
  await server.stop();
  const records = await Promise.all(["alpha", "beta"].map((project) => recordOf(home, project)));
  assert.deepEqual(
    records.map((record) => record.encryption_context["database"]),
    ["alpha", "beta"],
  );
  const [alpha, beta] = await Promise.all(records.map((record) => kms.unwrap(record)));
  assert.ok(alpha !== undefined && beta !== undefined && !alpha.equals(beta));
  for (const dek of [alpha, beta]) {
    assert.deepEqual(await filesWith(dek, [folder, ...kms.folders]), []);
    assert.ok(!textHolds(dek, first + server.output + kms.output));
  }
  for (const entry of await readdir(home, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) {
      const content = await readFile(join(entry.parentPath, entry.name));
      assert.ok(!content.includes("a text of"), `${entry.name} holds a document`);
    }
  }
});

test("while BunKMS is down cold projects are down, and warm ones go on", async () => {
  const home = join(folder, "down");
  const settings = { ...kms.settings, BUNDOC_BUNKMS_DEADLINE: "2s" };
  let server = await BundocServer.start(home, settings);
  await server.put("cold", "one", "cold text");
  await server.stop();
  server = await BundocServer.start(home, settings);
  await server.put("warm", "one", "warm text");
  const { host } = new URL(String(kms.settings["BUNDOC_BUNKMS_URL"]));
  await kms.stop();
  for (const project of ["cold", "new"]) {
    const { status, text } = await server.call("GET", project, "documents/notes/one");
    assert.equal(status, 500);
    assert.ok(text.includes("encryption key is not available") && !text.includes(host), text);
  }
  assert.deepEqual((await readdir(projectsOf(home))).toSorted(), ["cold", "warm"]);
  await server.put("warm", "two", "written meanwhile");
  await server.mustHold("warm", "one", "warm text");
  await kms.restart();
  await server.mustHold("cold", "one", "cold text");
  await server.mustHold("warm", "two", "written meanwhile");
  await server.stop();
  assert.match(server.output, /Project cold: .*BunKMS is not available/);
});

test("projects from before are refused until they are encrypted", async () => {
  const home = join(folder, "before");
  let server = await BundocServer.start(home, {});
  await server.put("old", "one", "an old text");
  await server.stop();
  assert.match(server.output, /Encryption at rest: off/);
  server = await BundocServer.start(home, kms.settings);
  assert.equal((await server.call("GET", "old", "documents/notes/one")).status, 500);
  // What it prints comes by another way than its answer: all of it is there when it has ended.
  await server.stop();
  assert.match(server.output, /there is data but no wrapped DEK/);
  const [old, fresh] = [join(projectsOf(home), "old"), join(home, "data", "encrypted", "old")];
  await mustRun(tool, ["encrypt", old, fresh], { env: kms.settings });
  await rename(old, join(home, "data", "old.plain"));
  await rename(fresh, old);
  server = await BundocServer.start(home, kms.settings);
  await server.mustHold("old", "one", "an old text");
  await server.stop();
});

test("settings that are incomplete or unknown stop the server", async () => {
  const home = join(folder, "settings");
  const { BUNDOC_BUNKMS_KEY: _, ...incomplete } = kms.settings;
  await assert.rejects(BundocServer.start(home, incomplete), /BUNDOC_BUNKMS_KEY is missing/);
  const unknown = { ...kms.settings, BUNDOC_BUNKMS_KEYS: "bundoc" };
  await assert.rejects(BundocServer.start(home, unknown), /BUNDOC_BUNKMS_KEYS is no setting/);
  const plain = { ...kms.settings, BUNDOC_BUNKMS_URL: "http://kms.example:8080" };
  await assert.rejects(BundocServer.start(home, plain), /without TLS/);
  assert.deepEqual(await readdir(home), []);
});
