import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import { type AuditEntrySchema, AuditService, BunkmsError } from "@bunkms/contract";
import type { AuditFilter, IndexedRecord } from "../audit/reader.ts";
import { RecordDamaged } from "../vault/record.ts";
import { defineOperation } from "./operation.ts";
import { pageSize, pageStart, pageToken } from "./paging.ts";
import { logDamaged } from "./tile-answer.ts";
import { timestamp } from "./timestamp.ts";

export const listAuditEntries = defineOperation(AuditService.method.listAuditEntries, async ({ audit }, request) => {
  const filter: AuditFilter = {
    ...given("operation", request.operation),
    ...given("resource", request.resource),
    ...given("identity", request.identity),
    ...given("outcome", request.outcome),
    ...given("requestId", request.requestId),
    ...givenTime("since", request.since),
    ...givenTime("until", request.until),
  };
  const page = await orDamaged(audit.list(filter, startIndex(pageStart(request)), pageSize(request)));
  return {
    response: {
      entries: page.entries.map(entryMessage),
      nextPageToken: page.next === undefined ? "" : pageToken(String(page.next)),
      treeSize: BigInt(page.size),
      pruned: BigInt(page.pruned),
      rootHashB64: page.root,
    },
  };
});

/** A search that cannot see all does not look as if it had. @throws BunkmsError `vault_damaged` */
async function orDamaged<T>(search: Promise<T>): Promise<T> {
  try {
    return await search;
  } catch (error) {
    throw error instanceof RecordDamaged || error instanceof RangeError ? logDamaged(error) : error;
  }
}

function given<K extends string>(key: K, value: string): { [P in K]?: string } {
  return (value === "" ? {} : { [key]: value }) as { [P in K]?: string };
}

function givenTime<K extends string>(key: K, value: Timestamp | undefined): { [P in K]?: number } {
  return (value === undefined ? {} : { [key]: timestampMs(value) }) as { [P in K]?: number };
}

function startIndex(start: string): number | undefined {
  if (start === "") {
    return undefined;
  }
  if (!/^[1-9][0-9]{0,14}$/.test(start)) {
    throw new BunkmsError("invalid_request", "page_token: not one that an answer gave");
  }
  return Number(start);
}

function entryMessage(record: IndexedRecord): MessageInitShape<typeof AuditEntrySchema> {
  return {
    index: BigInt(record.index),
    time: timestamp(record.time),
    requestId: record.requestId,
    identity: record.identity?.id ?? "",
    identityName: record.identity?.name ?? "",
    role: record.identity?.role ?? "",
    operation: record.operation,
    resource: record.resource,
    outcome: record.outcome,
    sourceAddress: record.source,
    transport: record.transport,
    request: { ...record.request },
    response: { ...record.response },
    critical: record.critical ?? false,
  };
}
