import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { withoutSettings } from "../harness/server.ts";

/** What a probe answers. */
export interface ProbeAnswer {
  readonly text?: string;
  readonly error?: string;
  /** Which error of the key provider it is. */
  readonly kind?: string;
}

/** One database, opened by a real Bundoc in a process of its own. */
export class Probe {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  #output = "";

  private constructor(program: string, folder: string, settings: Readonly<Record<string, string>>) {
    this.#child = spawn(program, [folder], {
      env: { ...withoutSettings(process.env), ...settings },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#ended = once(this.#child, "close");
    // A probe that could not open its database does not read what it is told.
    this.#child.stdin?.on("error", () => undefined);
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** @throws Error when the database does not open; its text and `kind` are the probe's. */
  static async open(program: string, folder: string, settings: Readonly<Record<string, string>>): Promise<Probe> {
    const probe = new Probe(program, folder, settings);
    const answer = await probe.#read();
    if (answer.error !== undefined) {
      await probe.#ended;
      throw Object.assign(new Error(answer.error), { kind: answer.kind });
    }
    return probe;
  }

  /** All that it wrote to standard error. */
  get output(): string {
    return this.#output;
  }

  /** @throws Error with what Bundoc says. */
  async do(name: string, parts: Readonly<Record<string, string>> = {}): Promise<string> {
    this.#child.stdin?.write(`${JSON.stringify({ do: name, ...parts })}\n`);
    const { text, error } = await this.#read();
    if (error !== undefined) {
      throw new Error(error);
    }
    return text ?? "";
  }

  put(collection: string, id: string, text: string): Promise<string> {
    return this.do("put", { collection, id, text });
  }

  get(collection: string, id: string): Promise<string> {
    return this.do("get", { collection, id });
  }

  /** Closes the database and ends the process. */
  async close(): Promise<void> {
    await this.do("close");
    this.#child.stdin?.end();
    await this.#ended;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  async #read(): Promise<ProbeAnswer> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) {
        throw new Error(`the probe ended: ${this.#output}`);
      }
      // Bundoc prints lines of its own.
      if (value.startsWith("{")) {
        return JSON.parse(value) as ProbeAnswer;
      }
    }
  }
}
