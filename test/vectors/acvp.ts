import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { goModuleFolder } from "./go-module.ts";

/**
 * NIST's ACVP vectors for FIPS 204 and FIPS 205, as the Go module CIRCL carries them beside its code: pinned by version
 * and by the hash that Go's checksum database has for it.
 */
const MODULE = "github.com/cloudflare/circl@v1.6.5";
const SUM = "h1:O64F26HEqNhznd/hrC5KZXVKYuKM2rx4deZDTc4ihQA=";

/** A file of ACVP. `G` is the shape of its groups. */
export interface AcvpFile<G> {
  readonly mode: string;
  readonly revision: string;
  readonly testGroups: readonly G[];
}

let folder: string | undefined;

/**
 * Reads a file of ACVP, downloading it by the go command when it is not in its cache.
 *
 * @param path Inside the module, for example `sign/slhdsa/testdata/keyGen_prompt.json.gz`.
 * @throws Error when the vectors cannot be had. A test then fails: it is never skipped.
 */
export function readAcvp<G>(path: string): AcvpFile<G> {
  folder ??= goModuleFolder(MODULE, SUM);
  return JSON.parse(gunzipSync(readFileSync(join(folder, path))).toString()) as AcvpFile<G>;
}
