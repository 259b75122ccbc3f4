import type { KeyObject } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { BunkmsError } from "@bunkms/contract";
import { type AliasRecord, AliasRecordSchema } from "@bunkms/contract/record";
import { type NamedRecord, NamedRecords } from "./named-records.ts";
import type { Plan } from "./plan.ts";
import type { Records, ReportRecord } from "./records.ts";

/** A second name of a key. */
export interface AliasInfo {
  readonly alias: string;
  readonly keyName: string;
  /** Milliseconds since 1970. */
  readonly updatedAt: number;
}

/** The vault's aliases. Each leads to one key, by its name, which never changes. */
export class Aliases {
  readonly #aliases: NamedRecords<typeof AliasRecordSchema, AliasRecord, string>;

  constructor(records: Records, indexKey: KeyObject) {
    this.#aliases = new NamedRecords("alias", AliasRecordSchema, records, indexKey, (record) => record.keyName);
  }

  /** Reads all aliases; forgets what was cached. */
  async load(report?: ReportRecord): Promise<void> {
    await this.#aliases.load(report);
  }

  /** Makes or moves an alias. Its caller knows that there is such a key. */
  async set(alias: string, keyName: string, now: number): Promise<Plan<AliasInfo>> {
    const before = await this.#aliases.find(alias);
    const record = create(AliasRecordSchema, { name: alias, keyName, updatedAtMs: BigInt(now) });
    return {
      result: aliasInfo(record),
      changes: [this.#aliases.put(record, before?.ref ?? null)],
      committed: ([ref]) => this.#aliases.written(record, ref),
      discard: () => {},
    };
  }

  /** @throws BunkmsError `not_found` */
  async get(alias: string): Promise<AliasInfo> {
    return aliasInfo((await this.#get(alias)).record);
  }

  /** The name of the key that an alias leads to; undefined when there is no such alias. */
  async keyName(alias: string): Promise<string | undefined> {
    return (await this.#aliases.find(alias))?.record.keyName;
  }

  /** A page of aliases in the order of their names. @param keyName Only those of this key; empty: of any. */
  async list(prefix: string, keyName: string, after: string, limit: number): Promise<readonly AliasInfo[]> {
    const fits = (target: string) => keyName === "" || target === keyName;
    return (await this.#aliases.list(prefix, after, limit, fits)).map(({ record }) => aliasInfo(record));
  }

  /** @throws BunkmsError `not_found` */
  async delete(alias: string): Promise<Plan<AliasInfo>> {
    const { record, ref } = await this.#get(alias);
    return {
      result: aliasInfo(record),
      changes: [this.#aliases.delete(alias, ref)],
      committed: () => this.#aliases.deleted(alias),
      discard: () => {},
    };
  }

  async #get(alias: string): Promise<NamedRecord<AliasRecord>> {
    const found = await this.#aliases.find(alias);
    if (found === undefined) {
      throw new BunkmsError("not_found", "there is no alias of this name");
    }
    return found;
  }
}

function aliasInfo(record: AliasRecord): AliasInfo {
  return { alias: record.name, keyName: record.keyName, updatedAt: Number(record.updatedAtMs) };
}
