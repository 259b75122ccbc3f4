import { decodeSecretBase64 } from "./base64.ts";
import { usage } from "./failure.ts";
import { readInput } from "./inputs.ts";
import type { Io } from "./io.ts";

/** What key material is, as ImportKey takes it. */
export type MaterialFormat = "raw" | "pkcs8";

/** Key material that is zeroed at the end of its scope. */
export interface Material extends Disposable {
  readonly bytes: Uint8Array;
  readonly format: MaterialFormat;
}

/** The server takes 8192 bytes; as PEM that is a half more, and there may be text around it. */
const FILE_LIMIT = 32 * 1024;
const BEGIN = "-----BEGIN PRIVATE KEY-----";
const END = "-----END PRIVATE KEY-----";
/** Any other PEM, of which the label is no secret. */
const OTHER_PEM = "-----BEGIN ";
const LABEL = /^[A-Z0-9 ]{1,40}/;

/**
 * Reads key material from a file, or from standard input for `-`: bytes as they are, or PKCS #8 as PEM (RFC 7468 section
 * 10), which is decoded. In memory there is one copy, and none in a string.
 * @param format Of the bytes; PEM says it itself.
 * @throws Failure
 */
export async function readMaterial(io: Io, file: string, format: MaterialFormat | undefined): Promise<Material> {
  const input = await readInput(io, file, { what: "the key material", limit: FILE_LIMIT, secret: true });
  const begin = input.indexOf(BEGIN);
  if (begin === -1) {
    const other = input.indexOf(OTHER_PEM);
    if (other === -1) {
      return bareMaterial(input, format);
    }
    const label = LABEL.exec(input.toString("latin1", other + OTHER_PEM.length, other + FILE_LIMIT))?.[0].trim();
    input.fill(0);
    throw usage(
      `the material is PEM of another kind: ${label}`,
      'PKCS #8 is needed: "openssl pkcs8 -topk8 -nocrypt -in FILE -out key.pem".',
    );
  }
  try {
    const end = input.indexOf(END, begin);
    const bytes = end === -1 ? undefined : decodeSecretBase64(input.subarray(begin + BEGIN.length, end));
    if (bytes === undefined) {
      throw usage("the material is not PEM, although it begins so");
    }
    return material(bytes, "pkcs8");
  } finally {
    input.fill(0);
  }
}

function bareMaterial(bytes: Buffer, format: MaterialFormat | undefined): Material {
  if (format === undefined) {
    bytes.fill(0);
    throw usage(
      "--format is needed for material that is not PEM",
      "raw for the bytes of a symmetric key or a seed, pkcs8 for DER.",
    );
  }
  return material(bytes, format);
}

function material(bytes: Buffer, format: MaterialFormat): Material {
  return { bytes, format, [Symbol.dispose]: () => bytes.fill(0) };
}
