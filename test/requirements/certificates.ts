import { execFile } from "node:child_process";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Paths of a certificate and its private key, PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** An authority whose certificates are valid for 127.0.0.1, localhost and other names for a day. */
export interface Authority {
  /** Its own certificate, PEM. */
  readonly pem: string;
  /** Where that lies. */
  readonly path: string;
  /** Issues a certificate whose subject has this common name, with an EC or RSA key. */
  issue(name: string, kind?: "ec" | "rsa", hosts?: readonly string[]): Promise<CertificateFiles>;
}

const KEYS = {
  ec: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  rsa: ["-newkey", "rsa:2048"],
} as const;

/** Makes an authority with the `openssl` command. @param folder Where its files and those it issues lie. */
export async function makeAuthority(folder: string, name = "authority"): Promise<Authority> {
  const request = async (
    subject: string,
    kind: "ec" | "rsa",
    options: readonly string[],
  ): Promise<CertificateFiles> => {
    const files = { cert: join(folder, `${subject}.pem`), key: join(folder, `${subject}.key`) };
    const output = ["-nodes", "-keyout", files.key, "-out", files.cert, "-days", "1", "-subj", `/CN=${subject}`];
    await run("openssl", ["req", "-x509", ...KEYS[kind], ...output, ...options]);
    return files;
  };
  const own = await request(name, "ec", ["-addext", "keyUsage=critical,keyCertSign"]);
  return {
    pem: await readFile(own.cert, "utf8"),
    path: own.cert,
    issue: (subject, kind = "ec", hosts = []) =>
      request(subject, kind, [
        ...["-CA", own.cert, "-CAkey", own.key],
        ...["-addext", ["subjectAltName=IP:127.0.0.1,DNS:localhost", ...hosts.map((host) => `DNS:${host}`)].join(",")],
        ...["-addext", "basicConstraints=critical,CA:FALSE"],
      ]),
  };
}

/** Puts bytes in a file's place at once, as renewal tools do: nobody ever reads half of them. */
export async function replaceFile(path: string, bytes: string | Buffer): Promise<void> {
  await writeFile(`${path}.new`, bytes, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
