import { runProgram } from "../../scripts/run-program.ts";

/** Field of the result line that has signatures per second, by what the line begins with (openssl's apps/speed.c). */
const SIGN_RATE_AT: Readonly<Record<string, number>> = {
  // +F2:index:bits:sign:verify, for RSA
  "+F2": 3,
  // +F4:index:bits:sign:verify, for ECDSA
  "+F4": 3,
  // +F6:index:bits:name:sign:verify, for EdDSA
  "+F6": 4,
  // +F10:index:keygen:sign:verify, from OpenSSL 3.5 on for all that it has no line of their own for
  "+F10": 3,
};

/**
 * Signatures per second of CPU time on one core, by `openssl speed`.
 * @param algorithm As openssl calls it, for example `rsa2048`.
 * @returns undefined when there is no openssl, or it does not know the algorithm.
 */
export async function opensslSignRate(algorithm: string, seconds: number): Promise<number | undefined> {
  const { code, output } = await runProgram("openssl", ["speed", "-mr", "-seconds", String(seconds), algorithm]);
  return code === 0 ? parseSignRate(output) : undefined;
}

/** What openssl calls itself, for example `OpenSSL 3.0.19`; undefined when there is none. */
export async function opensslVersion(): Promise<string | undefined> {
  const { code, output } = await runProgram("openssl", ["version"]);
  return code === 0 ? output.split(" ").slice(0, 2).join(" ") : undefined;
}

/**
 * Reads what `openssl speed -mr` printed of one signature algorithm.
 * @returns Signatures per second; undefined when there is no result in it.
 */
export function parseSignRate(output: string): number | undefined {
  for (const line of output.split("\n")) {
    const fields = line.split(":");
    const at = SIGN_RATE_AT[fields[0] ?? ""];
    const rate = at === undefined ? Number.NaN : Number.parseFloat(fields[at] ?? "");
    if (rate > 0) {
      return rate;
    }
  }
  return undefined;
}
