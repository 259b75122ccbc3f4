import { printable } from "@bunkms/client";
import {
  decodeBundle,
  parseCheckpoint,
  parseNote,
  readAhead,
  TILE_WIDTH,
  type TileAddress,
  tileWidth,
} from "@bunkms/tlog";
import { cefLine } from "../audit/cef-line.ts";
import { parseIndex } from "../audit/entry-index.ts";
import { type ExportedEntry, jsonLine, timeOf } from "../audit/exported-entry.ts";
import { folderPlace, type LogPlace, serverPlace } from "../audit/log-place.ts";
import { parseTimes } from "../audit/time-range.ts";
import { defineCommand, option } from "../command.ts";
import { Failure, usage } from "../failure.ts";
import { writeStream, writeWhole } from "../file-output.ts";
import type { Io } from "../io.ts";
import { harmlessJson } from "../output.ts";
import { readVersion } from "../version.ts";

interface ExportOptions {
  readonly format: string;
  readonly since?: string;
  readonly until?: string;
  readonly from?: number;
  readonly to?: number;
  readonly out?: string;
  readonly force?: boolean;
}

/** What one entry's line is, and what a terminal is shown in its place. */
interface Format {
  line(entry: ExportedEntry): string;
  shown(line: string): string;
}

/** A format is a row. */
const FORMATS: ReadonlyMap<string, Format> = new Map([
  ["jsonl", { line: jsonLine, shown: harmlessJson }],
  ["cef", { line: (entry) => cefLine(entry, readVersion()), shown: printable }],
]);

/** `bunkms audit export` */
export const auditExportCommand = defineCommand<ExportOptions>({
  usage: "export [folder]",
  summary: "Write entries as JSON lines or in the Common Event Format",
  details:
    "From a mirror's folder, which asks no server, or else from the server, which needs an admin token. It does not verify:\n" +
    'bunkms audit verify does. In jsonl each line is an object with the entry\'s index and, after "entry":, its very bytes up\n' +
    "to the last brace; one that is no JSON object in one line is there as entry_base64. A terminal gets escapes in place of\n" +
    "characters that it would act on.",
  options: [
    option("--format <format>", "jsonl or cef")
      .choices([...FORMATS.keys()])
      .default("jsonl"),
    option("--since <time>", "At or after: RFC 3339, or 15m, 1h, 7d ago"),
    option("--until <time>", "Before: likewise"),
    option("--from <index>", "From this entry on").argParser(parseIndex),
    option("--to <index>", "Up to and with this entry").argParser(parseIndex),
    option("--out <file>", "Write to this file, readable by its owner only, not to standard output"),
    option("--force", "Replace the file if it is there"),
  ],
  examples: [
    "bunkms audit export --since 24h > yesterday.jsonl",
    "bunkms audit export log-mirror --format cef --from 1000 --to 1999 --out entries.cef",
  ],
  shared: "connection",
  async run({ args, io, options, connect }) {
    if (options.from !== undefined && options.to !== undefined && options.to < options.from) {
      throw usage("--to is before --from, so that no entry is between them");
    }
    const folder = args[0];
    const place = folder === undefined ? serverPlace(await connect()) : folderPlace(folder);
    const lines = exportLines(io, place, options);
    await (options.out === undefined
      ? writeStream(io.stdout, lines)
      : writeWhole(options.out, options.force ?? false, lines));
    return 0;
  },
});

async function* exportLines(io: Io, place: LogPlace, options: ExportOptions): AsyncGenerator<Uint8Array> {
  const { line, shown } = FORMATS.get(options.format) as Format;
  const isForTerminal = options.out === undefined && io.stdout.isTTY === true;
  const format = (entry: ExportedEntry) => (isForTerminal ? shown(line(entry)) : line(entry));
  const times = parseTimes(options, io.now());
  const { origin, size } = parseCheckpoint(parseNote(await place.checkpoint()).text);
  const from = options.from ?? 0;
  const to = Math.min(options.to ?? size - 1, size - 1);
  for await (const { address, bytes } of readAhead(place.read, bundles(from, to, size), place.ahead)) {
    if (bytes === undefined) {
      throw new Failure(
        4,
        `${place.name} has no entries around ${address.index * TILE_WIDTH}`,
        "They may have been pruned: --from INDEX. Or be damaged: bunkms audit verify.",
      );
    }
    const entries = decode(bytes, address);
    const text = entries
      .map((entry, i) => ({ origin, index: address.index * TILE_WIDTH + i, bytes: entry }))
      .filter((entry) => entry.index >= from && entry.index <= to && isWithin(entry, times))
      .map((entry) => `${format(entry)}\n`)
      .join("");
    if (text !== "") {
      yield Buffer.from(text);
    }
  }
}

function decode(bytes: Uint8Array, { index, width }: TileAddress): readonly Buffer[] {
  try {
    return decodeBundle(bytes, width);
  } catch (error) {
    throw error instanceof RangeError ? new Failure(8, `bundle ${index}: ${error.message}`) : error;
  }
}

function* bundles(from: number, to: number, size: number): Generator<TileAddress> {
  for (let index = Math.floor(from / TILE_WIDTH); index * TILE_WIDTH <= to; index++) {
    yield { level: "entries", index, width: tileWidth("entries", index, size) };
  }
}

/** An entry without a time, which is none of the server's, is in any range. */
function isWithin(entry: ExportedEntry, { since, until }: ReturnType<typeof parseTimes>): boolean {
  if (since === undefined && until === undefined) {
    return true;
  }
  const time = timeOf(entry);
  return (
    time === undefined ||
    ((since === undefined || time >= since.getTime()) && (until === undefined || time < until.getTime()))
  );
}
