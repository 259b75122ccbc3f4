import { type ListOptions, RevisionConflict, type Store, type StoredRecord, type Table, type Write } from "./store.ts";

/**
 * What a store is, said as plainly as can be: a map, searched from end to end by every listing. The conformance suite
 * holds each adapter against it. It takes valid input only.
 */
export class ModelStore implements Store {
  readonly #records = new Map<string, StoredRecord & { readonly table: Table }>();
  #revision = 0;

  async get(table: Table, path: string): Promise<StoredRecord | undefined> {
    return this.#records.get(`${table}:${path}`);
  }

  async getMany(table: Table, paths: readonly string[]) {
    const records = await Promise.all(paths.map((path) => this.get(table, path)));
    return records.flatMap((record) => record ?? []);
  }

  async listRevisions(table: Table, options: ListOptions) {
    return (await this.list(table, options)).map(({ path, revision }) => ({ path, revision }));
  }

  async list(table: Table, { prefix = "", after, limit, reverse = false }: ListOptions) {
    const records = [...this.#records.values()]
      .filter((record) => record.table === table && record.path.startsWith(prefix))
      .sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
    if (reverse) {
      records.reverse();
    }
    return records
      .filter(({ path }) => after === undefined || (reverse ? path < after : path > after))
      .slice(0, limit)
      .map(({ path, value, revision }) => ({ path, value, revision }));
  }

  async commit(writes: readonly Write[]): Promise<readonly number[]> {
    for (const { table, path, expected } of writes) {
      if ((this.#records.get(`${table}:${path}`)?.revision ?? 0) !== expected) {
        throw new RevisionConflict(table, path);
      }
    }
    return writes.map(({ table, path, value }) => {
      if (value === null) {
        this.#records.delete(`${table}:${path}`);
        return 0;
      }
      const revision = ++this.#revision;
      this.#records.set(`${table}:${path}`, { table, path, value, revision });
      return revision;
    });
  }

  async close(): Promise<void> {}
}
