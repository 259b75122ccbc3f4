import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { withoutSettings } from "../harness/server.ts";
import { outputPattern } from "../transcripts/transcript.ts";
import { ROOT } from "./documents.ts";
import { ForegroundServer } from "./foreground.ts";
import { Terminal } from "./terminal.ts";
import type { TourBlock } from "./tour.ts";

/** What a clone does not have, or must not share with the tour. */
const NOT_CLONED = new Set([".git", "bunkms-data"]);

/** The addresses that documents name; under test the system chooses others. */
const DOCUMENTED = { rest: "127.0.0.1:8080", grpc: "127.0.0.1:8081" };

/** What a document needs besides. */
export interface ReaderOptions {
  /** Environment variables that it takes for granted. */
  readonly env?: Readonly<Record<string, string>>;
  /** Text in its commands, for example a port, and what stands there under test. */
  readonly replaced?: ReadonlyMap<string, string>;
  /** How long a block of commands may take; a minute unless given. */
  readonly blockMs?: number;
}

/** Who follows a document: two terminals in something like a fresh clone, and a home of their own. */
export class Reader {
  readonly #document: string;
  readonly #folder: string;
  readonly #clone: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #second: Terminal;
  #server: ForegroundServer | undefined;
  #addresses = DOCUMENTED;
  readonly #replaced: ReadonlyMap<string, string>;
  executed = 0;

  /** @param document Its path, for what is said of failures. */
  constructor(document: string, { env = {}, replaced = new Map(), blockMs }: ReaderOptions = {}) {
    this.#replaced = replaced;
    const folder = mkdtempSync(join(tmpdir(), "bunkms-tour-"));
    this.#document = document;
    this.#folder = folder;
    this.#clone = join(folder, "clone");
    mkdirSync(this.#clone);
    mkdirSync(join(folder, "home"));
    for (const name of readdirSync(ROOT).filter((entry) => !NOT_CLONED.has(entry))) {
      symlinkSync(join(ROOT, name), join(this.#clone, name));
    }
    this.#env = {
      ...withoutSettings(process.env),
      PATH: [join(ROOT, "node_modules", ".bin"), process.env["PATH"], join(ROOT, ".cache", "bin")].join(delimiter),
      HOME: join(folder, "home"),
      XDG_CONFIG_HOME: join(folder, "home", ".config"),
      XDG_CACHE_HOME: join(folder, "home", ".cache"),
      TMPDIR: folder,
      LC_ALL: "C.UTF-8",
      ...env,
    };
    this.#second = new Terminal(folder, this.#clone, this.#env, blockMs);
  }

  /** That of both terminals. */
  get env(): NodeJS.ProcessEnv {
    return this.#env;
  }

  /** Where commands run. */
  get clone(): string {
    return this.#clone;
  }

  /** Does what a block says. @throws AssertionError when something else comes of it. */
  async follow(block: TourBlock): Promise<void> {
    const where = `${this.#document}:${block.line}: ${block.commands}`;
    if (block.startsServer) {
      await this.#startServer(block, where);
    } else {
      await this.#type(block, where);
    }
    this.executed += 1;
  }

  /** Ends both terminals, and removes the folders. */
  async leave(): Promise<void> {
    await this.#server?.interrupt();
    await this.#second.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startServer(block: TourBlock, where: string): Promise<void> {
    if (this.#server !== undefined) {
      assert.ok(await this.#server.interrupt(), `${where}\nthe server before it did not end after Ctrl+C`);
    }
    const server = new ForegroundServer(
      block.commands,
      this.#clone,
      this.#env,
      this.#addresses === DOCUMENTED ? undefined : this.#addresses,
    );
    this.#server = server;
    // The last line that a start in this mode always prints.
    const last = block.commands.includes("start:prod") ? /^Data .*\n/m : /^CLI .*\n/m;
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
    const replaced = [[DOCUMENTED.rest, rest] as const, [DOCUMENTED.grpc, grpc] as const, ...this.#replaced];
    return lines.map((line) => replaced.reduce((text, [written, real]) => text.replaceAll(written, real), line));
  }
}
