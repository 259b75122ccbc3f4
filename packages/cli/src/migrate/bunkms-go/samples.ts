import { usage } from "../../failure.ts";
import { readInput } from "../../inputs.ts";
import type { Io } from "../../io.ts";

/** A ciphertext of the Go server that somebody gave for a trial. */
export interface Sample {
  readonly key: string;
  /** For messages. */
  readonly source: string;
  readonly ciphertext: string;
  readonly aad: Buffer;
}

const SAMPLES_LIMIT = 16 * 1024 * 1024;

/**
 * Reads the files of `--sample KEY:FILE`: a line for each ciphertext, as the Go server gave it, or as JSON with `ciphertext` and
 * `aad` or `aad_b64`.
 * @throws Failure
 */
export async function readSamples(io: Io, given: readonly string[]): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  for (const one of given) {
    const at = one.indexOf(":");
    if (at < 1 || at === one.length - 1) {
      throw usage("--sample is KEY:FILE, for example orders:orders.txt");
    }
    const [key, file] = [one.slice(0, at), one.slice(at + 1)];
    const text = (await readInput(io, file, { what: "the sample", limit: SAMPLES_LIMIT })).toString("utf8");
    for (const [i, line] of text.split("\n").entries()) {
      if (line.trim() !== "") {
        samples.push({ key, source: `${file} line ${i + 1}`, ...parseLine(line.trim(), `${file} line ${i + 1}`) });
      }
    }
  }
  return samples;
}

function parseLine(line: string, source: string): Pick<Sample, "ciphertext" | "aad"> {
  if (!line.startsWith("{")) {
    return { ciphertext: line, aad: Buffer.alloc(0) };
  }
  let json: Readonly<Record<string, unknown>>;
  try {
    json = JSON.parse(line) as Record<string, unknown>;
  } catch {
    throw usage(`${source} is not JSON, although it begins so`);
  }
  const { ciphertext, aad, aad_b64 } = json;
  const isText = [ciphertext, aad ?? "", aad_b64 ?? ""].every((one) => typeof one === "string");
  if (!isText) {
    throw usage(`${source} needs "ciphertext", and may have "aad" or "aad_b64", all of them texts`);
  }
  // The Go server takes the base64 form where both are given.
  const bytes = aad_b64 ? Buffer.from(aad_b64 as string, "base64") : Buffer.from((aad ?? "") as string);
  return { ciphertext: ciphertext as string, aad: bytes };
}
