import { setTimeout as sleep } from "node:timers/promises";
import type { BunkmsClient } from "@bunkms/client";
import { decodeBundle, TILE_WIDTH, tilePath, tileWidth } from "@bunkms/tlog";
import { adviseOnEntry, parseIndex } from "../audit/entry-index.ts";
import { type ExportedEntry, jsonLine, membersOf } from "../audit/exported-entry.ts";
import { type EntryFilters, entryLine, FILTER_OPTIONS, fits } from "../audit/shown-entry.ts";
import { defineCommand, option } from "../command.ts";
import { asFailure } from "../exit-codes.ts";
import { Failure } from "../failure.ts";
import { printJsonText, printLine, printNote } from "../output.ts";

interface FollowOptions extends EntryFilters {
  readonly from?: number;
}

const LOOK_MS = 1000;
const SHOWN_AT_FIRST = 10;

/** `bunkms audit follow` */
export const auditFollowCommand = defineCommand<FollowOptions>({
  usage: "follow",
  summary: "Show audit entries as they come",
  details:
    "The last ten first, or those from --from on, and then what is new, at most a second after it happened, until it is ended\n" +
    "with Ctrl+C. With --json each line is an object as of bunkms audit export. All filters must fit. Each look at the log is a\n" +
    "call, and recorded; the command leaves out its own looks. It exits with 8 when the log has fewer entries than before.\n" +
    "Needs an admin token.",
  options: [...FILTER_OPTIONS(), option("--from <index>", "From this entry on").argParser(parseIndex)],
  examples: [
    "bunkms audit follow",
    "bunkms audit follow --resource key/invoices --outcome permission_denied",
    "bunkms audit follow --from 1000 --json >> entries.jsonl",
  ],
  async run({ io, options, connect }) {
    const log = new FollowedLog(await connect(), options.from);
    try {
      for (;;) {
        for await (const entry of log.newEntries()) {
          const members = membersOf(entry);
          if (fits(members, options)) {
            options.json ? printJsonText(io, jsonLine(entry)) : printLine(io, entryLine(entry.index, members));
          }
        }
        await sleep(LOOK_MS);
      }
    } catch (thrown) {
      const failure = asFailure(adviseOnEntry(thrown));
      // An entry that the log does not have is nowhere to go on.
      if (log.next !== undefined && failure.exitCode !== 4 && failure.exitCode !== 8) {
        printNote(io, `Ended before entry ${log.next}: go on there with --from ${log.next}`);
      }
      throw failure;
    }
  },
});

/** The log read forwards, bundle by bundle. */
class FollowedLog {
  /** Index of the entry that is read next; undefined before the first look that takes the log's end. */
  next: number | undefined;
  readonly #audit: BunkmsClient["audit"];
  /** Request ids of own calls whose entries were not met yet. Nobody can guess one and hide behind it. */
  readonly #own = new Set<string>();

  constructor({ audit }: BunkmsClient, from: number | undefined) {
    this.#audit = audit;
    this.next = from;
  }

  async *newEntries(): AsyncGenerator<ExportedEntry> {
    // Not the published checkpoint's: that one waits for witnesses.
    const size = Number((await this.#audit.getAuditStatus({}, this.#look())).size);
    this.next ??= Math.max(0, size - SHOWN_AT_FIRST);
    if (size < this.next) {
      // Waited for, what comes in the place of lost entries would be passed over in silence.
      throw new Failure(
        8,
        `the log has ${size} entries, fewer than ${this.next}`,
        "Unless --from is mistaken, it is another log, or its end was cut off, as after an old copy of the data was put back: bunkms audit verify --since.",
      );
    }
    while (this.next < size) {
      const index = Math.floor(this.next / TILE_WIDTH);
      const width = tileWidth("entries", index, size);
      const bundle = tilePath({ level: "entries", index, width }).slice("tile/entries/".length);
      const { data } = await this.#audit.getAuditBundle({ bundle }, this.#look());
      const first = index * TILE_WIDTH;
      for (const bytes of decodeBundle(data, width).slice(this.next - first)) {
        const entry = { origin: "", index: this.next, bytes };
        this.next += 1;
        if (!this.#isOwn(entry)) {
          yield entry;
        }
      }
    }
  }

  #look(): { readonly requestId: string } {
    const requestId = `follow-${crypto.randomUUID()}`;
    this.#own.add(requestId);
    return { requestId };
  }

  #isOwn(entry: ExportedEntry): boolean {
    const requestId = membersOf(entry)?.["request_id"];
    return typeof requestId === "string" && this.#own.delete(requestId);
  }
}
