import { existsSync, readFileSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { equal, macHex } from "../crypto/kdf.ts";
import { syncFolder } from "../store/private-files.ts";
import { VaultRolledBack } from "../vault/rolled-back.ts";
import type { Vault } from "../vault/vault.ts";

/** How far a vault is: the number of its last mutation, and of entries in its audit log. */
export interface Position {
  readonly generation: number;
  readonly entries: number;
}

const HEAD = "bunkms witness v1";
const MAX_BYTES = 1024;

/**
 * A file that remembers how far the vault was, so that an older copy of the database is noticed: in itself it is sound,
 * and nothing within it could tell. The file protects as much as lies apart from the database: on another disk, it also
 * notices that the whole data folder was put back. It is authenticated under a key of the vault. Whoever can remove it
 * can hide a rollback; that is why the audit log's own witnesses stand elsewhere.
 */
export class Witness {
  readonly #path: string;
  readonly #accepted: number | undefined;
  #written = "";
  #writing: Promise<void> = Promise.resolve();

  /** @param accepted A generation that the operator accepts although the file knows a later one. */
  constructor(path: string, accepted: number | undefined) {
    this.#path = path;
    this.#accepted = accepted;
  }

  /**
   * For a vault that is about to be made: what has the file's name would be written over. It remembers a vault that is not
   * where it was, or is no witness file at all.
   * @throws Error when something is there.
   */
  refuseForNew(): void {
    if (existsSync(this.#path)) {
      throw new Error(
        `${this.#path} is there, but there is no vault in the data folder. If that is a witness file, its vault is missing: ` +
          "mount or restore its data folder, or move the file away to make a new vault on purpose",
      );
    }
  }

  /**
   * Compares a vault that was just opened with what the file remembers.
   * @returns Whether the vault is older, and the operator accepts that.
   * @throws VaultRolledBack when it is older and he does not; Error when the file cannot be read.
   */
  check({ root, witnessKey }: Pick<Vault, "root" | "witnessKey">, position: Position): boolean {
    const remembered = this.#read(root.cluster, witnessKey);
    const isOlder =
      remembered !== undefined &&
      (position.generation < remembered.generation || position.entries < remembered.entries);
    if (!isOlder || this.#accepted === position.generation) {
      return isOlder;
    }
    throw new VaultRolledBack(
      `the vault is of generation ${position.generation} with ${position.entries} audit entries, and was at ` +
        `${remembered.generation} with ${remembered.entries} (${this.#path})`,
      `restore the newest copy, or if this one is there on purpose start once with --accept-rollback ${position.generation}`,
    );
  }

  /** Remembers how far a vault is, on disk when it is done; what is there already is not written again. */
  remember({ root, witnessKey }: Pick<Vault, "root" | "witnessKey">, position: Position): Promise<void> {
    const text = encode(root.cluster, position, witnessKey);
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write(text));
    return this.#writing;
  }

  async #write(text: string): Promise<void> {
    if (text === this.#written) {
      return;
    }
    const draft = `${this.#path}.new`;
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
    syncFolder(dirname(this.#path));
    this.#written = text;
  }

  /** What the file remembers of this vault; nothing when there is none yet. */
  #read(cluster: Buffer, key: Vault["witnessKey"]): Position | undefined {
    let text: string;
    try {
      text = readFileSync(this.#path, "latin1").slice(0, MAX_BYTES);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return undefined;
      }
      throw new Error(`${this.#path}: the witness file cannot be read`, { cause: error });
    }
    const found = /^bunkms witness v1\ncluster ([0-9a-f]{32})\ngeneration (\d{1,15})\nentries (\d{1,15})\n/.exec(text);
    if (found === null) {
      throw new VaultRolledBack(`${this.#path}: the witness file is damaged`);
    }
    const [, owner, generation, entries] = found;
    if (owner !== cluster.toString("hex")) {
      throw new VaultRolledBack(
        `${this.#path} is the witness file of another vault`,
        "give each vault a file of its own",
      );
    }
    const position = { generation: Number(generation), entries: Number(entries) };
    if (!equal(Buffer.from(encode(cluster, position, key)), Buffer.from(text))) {
      throw new VaultRolledBack(`${this.#path}: the witness file was changed`);
    }
    return position;
  }
}

function encode(cluster: Buffer, { generation, entries }: Position, key: Vault["witnessKey"]): string {
  const body = `${HEAD}\ncluster ${cluster.toString("hex")}\ngeneration ${generation}\nentries ${entries}\n`;
  return `${body}mac ${macHex(key, body)}\n`;
}
