import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, symlinkSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { withoutSettings } from "../harness/server.ts";
import { outputPattern } from "../transcripts/transcript.ts";
import { ForegroundServer } from "./foreground.ts";
import { Terminal } from "./terminal.ts";
import { readTour, type TourBlock } from "./tour.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const SECTIONS = ["A five-minute tour", "In production"];
/** What a clone does not have, or must not share with the tour. */
const NOT_CLONED = new Set([".git", "bunkms-data"]);

/** Two terminals in something like a fresh clone. */
class Reader {
  readonly #clone: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #second: Terminal;
  #server: ForegroundServer | undefined;
  #addresses = { rest: "127.0.0.1:8080", grpc: "127.0.0.1:8081" };
  executed = 0;

  constructor(folder: string) {
    this.#clone = join(folder, "clone");
    for (const name of readdirSync(ROOT).filter((entry) => !NOT_CLONED.has(entry))) {
      symlinkSync(join(ROOT, name), join(this.#clone, name));
    }
    this.#env = {
      ...withoutSettings(process.env),
      PATH: [process.env["PATH"], join(ROOT, ".cache", "bin")].join(delimiter),
      HOME: join(folder, "home"),
      XDG_CONFIG_HOME: join(folder, "home", ".config"),
      XDG_CACHE_HOME: join(folder, "home", ".cache"),
      TMPDIR: folder,
      LC_ALL: "C.UTF-8",
    };
    this.#second = new Terminal(folder, this.#clone, this.#env);
  }

  get env(): NodeJS.ProcessEnv {
    return this.#env;
  }

  async follow(block: TourBlock): Promise<void> {
    const where = `README.md:${block.line}: ${block.commands}`;
    if (block.startsServer) {
      await this.#startServer(block, where);
    } else {
      await this.#type(block, where);
    }
    this.executed += 1;
  }

  /** Ends both terminals. */
  async leave(): Promise<void> {
    await this.#server?.interrupt();
    await this.#second.close();
  }

  async #startServer(block: TourBlock, where: string): Promise<void> {
    if (this.#server !== undefined) {
      assert.ok(await this.#server.interrupt(), `${where}\nthe server before it did not end after Ctrl+C`);
    }
    const server = new ForegroundServer(block.commands, this.#clone, this.#env);
    this.#server = server;
    // The last line that a start in this mode always prints.
    const last = block.commands.endsWith("prod") ? /^Data .*\n/m : /^CLI .*\n/m;
    assert.ok(await server.until((output) => last.test(output)), `${where}\n${server.output}`);
    this.#addresses = server.addresses;
    const { expected } = block;
    if (expected !== undefined) {
      await server.until((output) => outputPattern(this.#atTestPorts(expected)).test(output));
      this.#compare(block, server.output, where);
    }
  }

  async #type(block: TourBlock, where: string): Promise<void> {
    const { output, failed } = await this.#second.run(this.#atTestPorts(block.commands.split("\n")).join("\n"));
    assert.equal(failed, "", `${where}\n${output}`);
    this.#compare(block, output === "" || output.endsWith("\n") ? output : `${output}\n`, where);
  }

  #compare({ expected }: TourBlock, output: string, where: string): void {
    if (expected === undefined) {
      assert.doesNotMatch(output, /"error":|^bunkms: /m, where);
      return;
    }
    const lines = this.#atTestPorts(expected);
    if (!outputPattern(lines).test(output)) {
      assert.equal(output, `${lines.join("\n")}\n`, where);
    }
  }

  #atTestPorts(lines: readonly string[]): readonly string[] {
    const { rest, grpc } = this.#addresses;
    return lines.map((line) => line.replaceAll("127.0.0.1:8080", rest).replaceAll("127.0.0.1:8081", grpc));
  }
}

test("every command of the README's tour does what the README says", { timeout: 300_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "bunkms-tour-"));
  await mkdir(join(folder, "clone"));
  await mkdir(join(folder, "home"));
  const reader = new Reader(folder);
  try {
    assert.equal(
      spawnSync("grpcurl", ["-version"], { env: reader.env }).status,
      0,
      "grpcurl is missing: go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4, or run all of npm test",
    );
    const blocks = SECTIONS.flatMap((heading) => readTour(README, heading));
    for (const block of blocks) {
      await reader.follow(block);
    }
    assert.equal(reader.executed, blocks.length);
    t.diagnostic(`${blocks.length} blocks`);
  } finally {
    await reader.leave();
    await rm(folder, { recursive: true, force: true });
  }
});

test("no block of commands in the tour's sections escapes the test", () => {
  const fences = README.split("\n").filter((line) => line === "```sh").length;
  const inTour = SECTIONS.flatMap((heading) => readTour(README, heading)).length;
  // The one that is not in it: the two commands, whose `npm ci` would take minutes. Their scripts are checked below.
  assert.equal(inTour, fences - 1);
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  assert.ok(scripts["start"] && scripts["test"]);
});

test("a block that is neither commands nor their answer is refused", () => {
  const section = (...blocks: string[]) => `## T\n${blocks.map((block) => `\`\`\`${block}\n\`\`\`\n`).join("\n")}`;
  assert.equal(readTour(section("sh\na", "text\nb", "sh\nnpm start"), "T").length, 2);
  assert.equal(readTour(section("sh\na\nnpm start"), "T")[0]?.startsServer, true);
  for (const bad of [
    section("text\nb"),
    section("bash\na"),
    section("sh\na", "text\nb", "text\nc"),
    "## T\n```sh\na\n",
  ]) {
    assert.throws(() => readTour(bad, "T"), /line \d+/);
  }
  assert.throws(() => readTour("", "T"), /no section/);
});
