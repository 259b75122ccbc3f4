import { randomBytes } from "../crypto/random.ts";
import { envSeal } from "../seal/env.ts";
import { openMemoryStore } from "../store/memory.ts";
import type { Store, Table } from "../store/store.ts";
import type { KeyFilter } from "../vault/key-filter.ts";
import type { KeyOptions } from "../vault/key-options.ts";
import type { Vault } from "../vault/vault.ts";
import type { OwnSealKind, SealSource } from "./configured-seals.ts";
import { openOrCreate, type Started } from "./unseal.ts";

/** A store whose commits and reads a test can make fail. */
export class FaultyStore implements Store {
  readonly #inner: Store;
  /** Called before each commit; what it throws is the commit's failure. */
  beforeCommit: () => void = () => {};
  /** Called after a commit was applied; what it throws hides that it was. */
  afterCommit: () => void = () => {};
  /** Called before each listing; what it throws is the listing's failure. */
  beforeList: (table: Table) => void = () => {};
  /** Likewise, for listings of revisions. */
  beforeListRevisions: (table: Table) => void = () => {};
  commits = 0;

  constructor(inner: Store = openMemoryStore()) {
    this.#inner = inner;
  }

  get: Store["get"] = (table, path) => this.#inner.get(table, path);
  getMany: Store["getMany"] = (table, paths) => this.#inner.getMany(table, paths);
  list: Store["list"] = async (table, options) => {
    this.beforeList(table);
    return this.#inner.list(table, options);
  };
  listRevisions: Store["listRevisions"] = async (table, options) => {
    this.beforeListRevisions(table);
    return this.#inner.listRevisions(table, options);
  };
  close: Store["close"] = () => this.#inner.close();
  commit: Store["commit"] = async (writes) => {
    this.beforeCommit();
    const revisions = await this.#inner.commit(writes);
    this.commits += 1;
    this.afterCommit();
    return revisions;
  };
}

/** A master key for tests, and fresh seals with it. */
export function testSeal(masterKey: Buffer = randomBytes(32)): () => ReturnType<typeof envSeal> {
  return () => envSeal(Buffer.from(masterKey));
}

/** A seal as the only one that the server is configured for. */
export function testSeals(seal: ReturnType<typeof testSeal>): SealSource {
  return {
    kinds: ["env"],
    forNewVault: ["env"],
    has: (kind): kind is OwnSealKind => kind === "env",
    open: async () => seal(),
    renew: async () => seal(),
    adopt: () => {},
    close: async () => {},
  };
}

/** A new vault in a store of its own, where nothing is being written any more. */
export async function testVault(): Promise<
  Started & { readonly store: FaultyStore; readonly seal: ReturnType<typeof testSeal> }
> {
  const store = new FaultyStore();
  const seal = testSeal();
  const started = await openOrCreate(store, seal());
  // The checkpoint over its first entries is written after the caller was told of them.
  await started.committer.idle();
  return { ...started, store, seal };
}

/** The plan for a new key of a vault under test. */
export function planKey(vault: Pick<Vault, "keys">, name: string, options: Partial<KeyOptions> = {}, now = Date.now()) {
  const defaults = { purpose: "", derived: false, deterministic: false, exportable: false, imported: false };
  return vault.keys.create(name, { typeName: "aes-256", ...defaults, ...options }, {}, now);
}

/** A filter that lets all keys through. */
export const ANY_KEY: KeyFilter = { prefix: "", type: "", state: "", tag: "" };
