import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type ServerOptions, startServer, type TestServer } from "../harness/server.ts";

/** What is kept of a database's DEK. */
export interface WrappedRecord {
  readonly version: number;
  readonly cluster_id: string;
  readonly key_name: string;
  readonly wrapped_dek: string;
  readonly encryption_context: Readonly<Record<string, string>>;
}

/** A BunKMS with a key for Bundoc, and a token that may use it and no more. */
export class BundocKms {
  readonly tokenFile: string;
  #server: TestServer;

  private constructor(server: TestServer) {
    this.#server = server;
    this.tokenFile = join(server.configHome, "bundoc-token");
  }

  static async start(): Promise<BundocKms> {
    const kms = new BundocKms(await startServer());
    await kms.call("POST", "/v1/keys", { name: "bundoc" });
    const { token } = await kms.call("POST", "/v1/tokens", { display_name: "bundoc", role: "operator" });
    await writeFile(kms.tokenFile, `${token}\n`, { mode: 0o600 });
    return kms;
  }

  /** The settings of Bundoc for this BunKMS. */
  get settings(): Readonly<Record<string, string>> {
    return {
      BUNDOC_BUNKMS_URL: this.#server.url,
      BUNDOC_BUNKMS_TOKEN_FILE: this.tokenFile,
      BUNDOC_BUNKMS_KEY: "bundoc",
      BUNDOC_BUNKMS_DEADLINE: "20s",
    };
  }

  /** The same for a test in which it is down: nobody waits for it long. */
  get impatient(): Readonly<Record<string, string>> {
    return { ...this.settings, BUNDOC_BUNKMS_DEADLINE: "300ms" };
  }

  /** Folders of the server, and what it printed. */
  get folders(): readonly string[] {
    return [this.#server.dataPath, this.#server.configHome];
  }

  get output(): string {
    return this.#server.output();
  }

  async clusterId(): Promise<string> {
    return String((await this.call("GET", "/v1/sys/seal-status"))["cluster_id"]);
  }

  /** Calls as root. */
  async call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await fetch(this.#server.url + path, {
      method,
      headers: { Authorization: `Bearer ${this.#server.rootToken}`, "Content-Type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const read = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${JSON.stringify(read)}`);
    }
    return read;
  }

  /** The DEK itself, as only whoever may use the key gets it. */
  async unwrap(record: WrappedRecord): Promise<Buffer> {
    const body = { ciphertext: record.wrapped_dek, context: record.encryption_context };
    const { plaintext_b64: plaintext } = await this.call("POST", `/v1/decrypt/${record.key_name}`, body);
    return Buffer.from(String(plaintext), "base64");
  }

  async stop(): Promise<void> {
    await this.#server.stop();
  }

  /** Starts it again in the same place. */
  async restart(): Promise<void> {
    const { dataPath, configHome, url } = this.#server;
    const options: ServerOptions = { dataPath, configHome, addr: new URL(url).host };
    this.#restarted.push(this.#server);
    this.#server = await startServer(options);
  }

  readonly #restarted: TestServer[] = [];

  async remove(): Promise<void> {
    for (const server of [this.#server, ...this.#restarted]) {
      await server.remove();
    }
  }
}
