import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AuditEntry, BunkmsClient, ListAuditEntriesResponse } from "@bunkms/client";
import { adviseOnEntry } from "../audit/entry-index.ts";
import { type EntryFilters, FILTER_OPTIONS } from "../audit/shown-entry.ts";
import { parseTimes } from "../audit/time-range.ts";
import { type CommandGroup, defineCommand, option } from "../command.ts";
import { formatTime, printMessage, printNote, printTable } from "../output.ts";
import { parseCount } from "../pages.ts";
import { attachCommand, attachmentCommand, attachmentsCommand, removeAttachmentCommand } from "./audit-attachment.ts";
import { auditExportCommand } from "./audit-export.ts";
import { auditFollowCommand } from "./audit-follow.ts";
import { auditGetCommand } from "./audit-get.ts";
import { auditCheckpointCommand, auditKeyCommand, auditRotateKeyCommand } from "./audit-key.ts";
import { auditMirrorCommand } from "./audit-mirror.ts";
import { auditHashCommand, auditReceiptCommand } from "./audit-receipt.ts";
import {
  auditArchiveCommand,
  auditHoldCommand,
  auditPruneCommand,
  auditReleaseHoldCommand,
  auditRetentionCommand,
} from "./audit-retention.ts";
import { auditVerifyCommand } from "./audit-verify.ts";

interface Filters extends EntryFilters {
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly pageToken?: string;
}

const DEFAULT_LIMIT = 100;
const MAX_PAGE = 1000;

const list = defineCommand<Filters>({
  usage: "list",
  summary: "List audit entries, the newest first",
  details:
    "All filters must fit. --identity and --resource are looked up in an index; what has neither is looked for entry by entry,\n" +
    "the newest first, 20,000 at a time. --json shows the recorded fields of request and answer, too.",
  options: [
    ...FILTER_OPTIONS(),
    option("--since <time>", "At or after: RFC 3339, or 15m, 1h, 7d ago"),
    option("--until <time>", "Before: likewise"),
    option("--limit <count>", "At most this many (100)").argParser(parseCount),
    option("--page-token <token>", "Go on where the list before ended"),
  ],
  examples: [
    "bunkms audit list --since 1h",
    "bunkms audit list --operation keys.decrypt --outcome permission_denied --limit 20",
    "bunkms audit list --resource key/invoices --since 2026-01-31T00:00:00Z --json",
  ],
  async run({ io, options, connect }) {
    const { since, until } = parseTimes(options, io.now());
    const request = {
      operation: options.operation ?? "",
      resource: options.resource ?? "",
      identity: options.identity ?? "",
      outcome: options.outcome ?? "",
      requestId: options.request ?? "",
      pageToken: options.pageToken ?? "",
      ...(since === undefined ? {} : { since: timestampFromDate(since) }),
      ...(until === undefined ? {} : { until: timestampFromDate(until) }),
    };
    const answer = await fetchEntries(await connect(), request, options.limit ?? DEFAULT_LIMIT).catch(
      (error: unknown) => {
        throw adviseOnEntry(error);
      },
    );
    if (options.json) {
      printMessage(io, answer);
      return 0;
    }
    printTable(
      io,
      ["INDEX", "TIME", "IDENTITY", "OPERATION", "RESOURCE", "OUTCOME", "SOURCE"],
      answer.entries.map(row),
    );
    if (answer.nextPageToken !== "") {
      printNote(io, `There is more: --limit, or --page-token ${answer.nextPageToken}`);
    } else if (answer.pruned > 0n) {
      printNote(
        io,
        `Not looked at: entries before ${answer.pruned}, which were pruned. "bunkms audit export" reads them from the archive.`,
      );
    }
    return 0;
  },
});

/** `bunkms audit …` */
export const auditCommands: CommandGroup = {
  name: "audit",
  summary: "Read, mirror and verify the audit log",
  commands: [
    list,
    auditFollowCommand,
    auditGetCommand,
    auditHashCommand,
    auditKeyCommand,
    auditRotateKeyCommand,
    auditCheckpointCommand,
    auditReceiptCommand,
    auditMirrorCommand,
    auditVerifyCommand,
    auditExportCommand,
    auditRetentionCommand,
    auditArchiveCommand,
    auditPruneCommand,
    auditHoldCommand,
    auditReleaseHoldCommand,
    attachCommand,
    attachmentsCommand,
    attachmentCommand,
    removeAttachmentCommand,
  ],
};

type AuditRequest = Parameters<BunkmsClient["audit"]["listAuditEntries"]>[0];

async function fetchEntries(
  client: BunkmsClient,
  request: AuditRequest,
  limit: number,
): Promise<ListAuditEntriesResponse> {
  const fetchPage = (count: number, pageToken: string | undefined) =>
    client.audit.listAuditEntries({
      ...request,
      pageSize: Math.min(count, MAX_PAGE),
      ...(pageToken === undefined ? {} : { pageToken }),
    });
  const answer = await fetchPage(limit, undefined);
  while (answer.entries.length < limit && answer.nextPageToken !== "") {
    const next = await fetchPage(limit - answer.entries.length, answer.nextPageToken);
    answer.entries.push(...next.entries);
    answer.nextPageToken = next.nextPageToken;
  }
  return answer;
}

function row(entry: AuditEntry): string[] {
  return [
    String(entry.index),
    formatTime(entry.time),
    entry.identityName || entry.identity || "-",
    entry.operation || "-",
    entry.resource || "-",
    entry.outcome,
    entry.sourceAddress || entry.transport,
  ];
}
