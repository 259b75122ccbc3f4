import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  decodeBundle,
  isIncluded,
  leafHash,
  nodesOfTiles,
  openCheckpoint,
  parseVkey,
  proveInclusion,
  TILE_WIDTH,
  tileHashes,
  tilePath,
  tileWidth,
} from "@bunkms/tlog";
import { median } from "../statistics.ts";
import type { WrittenLog } from "./write-log.ts";

/** What auditing a log costs. */
export interface LogFigures {
  readonly log: WrittenLog;
  /** Of `bunkms audit verify` on one core, from start to exit, in seconds. */
  readonly wallSeconds: number;
  /** CPU time of the same, user and system, all threads. */
  readonly cpuSeconds: number;
  /** Peak of its resident memory, in bytes. */
  readonly peakBytes: number;
  /** An inclusion proof made from tiles in files, in milliseconds: the median, and the slowest of a hundred. */
  readonly proofMs: number;
  readonly slowProofMs: number;
}

const CLI = join(import.meta.dirname, "..", "..", "packages", "cli", "bin", "bunkms.js");
const PROOFS = 1_000;
const run = promisify(execFile);

/** Measures the command line and proofs on a log in a folder. @throws Error when it does not verify. */
export async function measureLog(log: WrittenLog, rounds: number): Promise<LogFigures> {
  const runs: { readonly wall: number; readonly cpu: number; readonly peak: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    runs.push(await verifyOnce(log));
  }
  const proofs = (await measureProofs(log)).toSorted((a, b) => a - b);
  return {
    log,
    wallSeconds: median(runs.map(({ wall }) => wall)),
    cpuSeconds: median(runs.map(({ cpu }) => cpu)),
    peakBytes: Math.max(...runs.map(({ peak }) => peak)),
    proofMs: median(proofs),
    slowProofMs: proofs[Math.floor(proofs.length * 0.99)] ?? Number.NaN,
  };
}

/** The program says at its end, on standard error, what it used. */
const REPORT =
  'process.on("exit",()=>{const{userCPUTime:u,systemCPUTime:s,maxRSS:m}=process.resourceUsage();' +
  "process.stderr.write(JSON.stringify({cpu:(u+s)/1e6,peak:m*1024})+String.fromCharCode(10))})";

async function verifyOnce({ folder, vkey, size }: WrittenLog) {
  const began = performance.now();
  const preload = `data:text/javascript,${encodeURIComponent(REPORT)}`;
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", "--import", preload];
  const command = [...node, CLI, "audit", "verify", folder, "--key", vkey];
  const { stdout, stderr } = await run("taskset", ["-c", "0", ...command]);
  const wall = (performance.now() - began) / 1000;
  if (!new RegExp(`\\nverified entries +${size}\\nverified\\n$`).test(stdout)) {
    throw new Error(`the log does not verify: ${stdout}`);
  }
  return { wall, ...(JSON.parse(stderr) as { readonly cpu: number; readonly peak: number }) };
}

/** Milliseconds of each, with its verification left out. */
async function measureProofs({ folder, vkey, size }: WrittenLog): Promise<readonly number[]> {
  const { checkpoint } = openCheckpoint(await readFile(join(folder, "checkpoint")), { logs: [parseVkey(vkey)] });
  const nodes = nodesOfTiles(size, async (level, index, width) =>
    tileHashes(await readFile(join(folder, tilePath({ level, index, width }))), width),
  );
  const times: number[] = [];
  for (let i = 0; i < PROOFS; i++) {
    const index = Math.floor(Math.random() * size);
    const began = performance.now();
    const path = await proveInclusion(index, size, nodes);
    times.push(performance.now() - began);
    const bundle = Math.floor(index / TILE_WIDTH);
    const width = tileWidth("entries", bundle, size);
    const file = await readFile(join(folder, tilePath({ level: "entries", index: bundle, width })));
    const entry = decodeBundle(file, width)[index % TILE_WIDTH] as Buffer;
    if (!isIncluded(leafHash(entry), index, size, path, checkpoint.root)) {
      throw new Error(`the proof of entry ${index} does not verify`);
    }
  }
  return times;
}
