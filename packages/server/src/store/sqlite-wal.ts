/**
 * The write-ahead log as a crash or a bad disk left it (SQLite file format, section 4, "The Write-Ahead Log").
 *
 * SQLite opens a log up to its first bad frame and silently forgets the rest. After a crash that is right: the rest is
 * a commit whose fsync had not returned. If the disk has damaged the middle of the log, it loses acknowledged commits,
 * and the next checkpoint overwrites them for good. This file tells the two apart before SQLite has opened anything.
 */

import { type PathLike, readFileSync } from "node:fs";
import { StoreRefused } from "./store-refused.ts";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const MAGIC_LITTLE_ENDIAN = 0x377f0682;
const MAGIC_BIG_ENDIAN = 0x377f0683;
const FORMAT_VERSION = 3_007_000;

/** A checksum of the log: two 32-bit sums, each frame's begun with those of the frame before. */
interface Sums {
  readonly s0: number;
  readonly s1: number;
}

/**
 * Refuses a log in which an acknowledged commit cannot be read. The caller holds the folder's lock.
 *
 * At most one commit is in the log without its fsync, since the next one begins after that has returned. So a bad frame
 * with two or more commits at or after it means that the disk lost what it had confirmed. With fewer it is a torn tail;
 * damage within the last two commits cannot be told from one here, and is found by who counts commits elsewhere (the
 * audit log's witnessed generation).
 *
 * Old frames are no false alarm: those of an earlier round have other salts; a transaction that was rolled back or
 * found the disk full leaves no whole commit frame; and one that failed in fsync is wiped before the next commit (see
 * `SqliteStore.commit`).
 *
 * A frame after the bad one is still known to be whole: its checksum begins with the one stored in the frame before it.
 * @throws StoreRefused with reason `damaged`
 */
export function refuseDamagedLog(file: PathLike): void {
  const log = readFileSync(file);
  // The header has its own fsync before the first frame: without frames it may be torn, with frames it may not.
  if (log.length <= HEADER_BYTES) {
    return;
  }
  const header = readHeader(log);
  if (header === undefined) {
    throw new StoreRefused("damaged", `${file} is damaged: its header does not read. Restore the folder from a backup`);
  }
  const { pageBytes, salt, littleEndian } = header;
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  let before = header.sums;
  let firstBad: number | undefined;
  let commitsFromThere = 0;
  for (let offset = HEADER_BYTES; offset + frameBytes <= log.length; offset += frameBytes) {
    const ofThisRound = log.compare(salt, 0, salt.length, offset + 8, offset + 16) === 0;
    const stored = readSums(log, offset + 16);
    const isCommit = ofThisRound && log.readUInt32BE(offset + 4) !== 0;
    const page = log.subarray(offset + FRAME_HEADER_BYTES, offset + frameBytes);
    const sums = addSums(addSums(before, log.subarray(offset, offset + 8), littleEndian), page, littleEndian);
    const isWhole = ofThisRound && sums.s0 === stored.s0 && sums.s1 === stored.s1;
    const isFirstBad: boolean = !isWhole && firstBad === undefined;
    if (isFirstBad) {
      firstBad = offset;
    }
    if (firstBad !== undefined && isCommit && (isWhole || isFirstBad)) {
      commitsFromThere++;
    }
    before = stored;
  }
  if (firstBad !== undefined && commitsFromThere >= 2) {
    throw new StoreRefused(
      "damaged",
      `${file} is damaged at byte ${firstBad}: later commits are intact, so this was no crash. Restore the folder from a backup`,
    );
  }
}

function readHeader(log: Buffer) {
  const magic = log.readUInt32BE(0);
  const pageBytes = log.readUInt32BE(8);
  const littleEndian = magic === MAGIC_LITTLE_ENDIAN;
  if ((!littleEndian && magic !== MAGIC_BIG_ENDIAN) || log.readUInt32BE(4) !== FORMAT_VERSION) {
    return undefined;
  }
  const sums = addSums({ s0: 0, s1: 0 }, log.subarray(0, 24), littleEndian);
  const stored = readSums(log, 24);
  if (sums.s0 !== stored.s0 || sums.s1 !== stored.s1 || pageBytes < 512 || pageBytes > 65_536) {
    return undefined;
  }
  return { pageBytes, salt: log.subarray(16, 24), littleEndian, sums };
}

/** Sums are stored big-endian, whatever the byte order of the words that they were made of. */
function readSums(log: Buffer, offset: number): Sums {
  return { s0: log.readUInt32BE(offset), s1: log.readUInt32BE(offset + 4) };
}

/** The checksum algorithm of section 4.2; `bytes` is a multiple of 8 long. */
function addSums(sums: Sums, bytes: Buffer, littleEndian: boolean): Sums {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let { s0, s1 } = sums;
  for (let i = 0; i + 8 <= view.byteLength; i += 8) {
    s0 = (s0 + view.getUint32(i, littleEndian) + s1) >>> 0;
    s1 = (s1 + view.getUint32(i + 4, littleEndian) + s0) >>> 0;
  }
  return { s0, s1 };
}
