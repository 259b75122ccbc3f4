import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AgreementFile, agreementFile } from "./agreement-vectors.ts";
import { backupFile } from "./backup-vectors.ts";
import { ciphertextVectors } from "./ciphertext-vectors.ts";
import { makeTestKeys, type SignatureFile, signatureVectors } from "./signature-vectors.ts";
import type { SuiteFile } from "./suite-vector.ts";
import { suiteFile } from "./suite-vectors.ts";

// Writes ciphertext.json, always the same; ciphertext-suites.json, whose RSA keys are kept; agreement.json, whose keys are
// kept but whose peers are new ones; backup.json, sealed anew; and signatures.json, whose keys are kept but whose
// randomised signatures are new ones:
// node --disable-warning=ExperimentalWarning spec/vectors/generate.ts

const file = (name: string): URL => new URL(name, import.meta.url);

const write = (name: string, content: object): void => {
  writeFileSync(file(name), `${JSON.stringify(content, null, 2)}\n`);
};

function read<T>(name: string): T | undefined {
  return existsSync(file(name)) ? (JSON.parse(readFileSync(file(name), "utf8")) as T) : undefined;
}

write("ciphertext.json", { vectors: ciphertextVectors() });
write("ciphertext-suites.json", suiteFile(read<SuiteFile>("ciphertext-suites.json")?.keys ?? []));
write("agreement.json", await agreementFile(read<AgreementFile>("agreement.json")?.keys ?? []));
write("backup.json", backupFile());

const keys = await makeTestKeys(read<SignatureFile>("signatures.json")?.keys);
write("signatures.json", { keys, vectors: await signatureVectors(keys) });
