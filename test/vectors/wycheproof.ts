import { readFileSync } from "node:fs";
import { join } from "node:path";
import { goModuleFolder } from "./go-module.ts";

/** The vectors come as a Go module: pinned by version and by the hash that Go's checksum database has for it. */
const MODULE = "github.com/c2sp/wycheproof@v0.0.0-20260902155932-3fa63dd0344a";
const SUM = "h1:pNbL2nztRsWfW/ispAwsvcDFxs9Id38uIsR2/Up5G2c=";

/** A file of Project Wycheproof. `G` is the shape of its groups, as the file's schema has it. */
export interface WycheproofFile<G> {
  readonly algorithm: string;
  readonly numberOfTests: number;
  readonly testGroups: readonly G[];
}

/** What every test case has. */
export interface WycheproofCase {
  readonly tcId: number;
  readonly comment: string;
  readonly flags: readonly string[];
  readonly result: "valid" | "invalid" | "acceptable";
}

let folder: string | undefined;

/**
 * Reads a file of Wycheproof's `testvectors_v1`, downloading them by the go command when they are not in its cache.
 *
 * @param name For example `hkdf_sha256_test.json`.
 * @throws Error when the vectors cannot be had. A test then fails: it is never skipped.
 */
export function readWycheproof<G>(name: string): WycheproofFile<G> {
  folder ??= goModuleFolder(MODULE, SUM);
  return JSON.parse(readFileSync(join(folder, "testvectors_v1", name), "utf8")) as WycheproofFile<G>;
}

/** The bytes of a hexadecimal field. */
export const hex = (text: string): Buffer => Buffer.from(text, "hex");
