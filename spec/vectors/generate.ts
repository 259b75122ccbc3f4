import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { ciphertextVectors } from "./ciphertext-vectors.ts";
import { makeTestKeys, type SignatureFile, signatureVectors } from "./signature-vectors.ts";

// Writes ciphertext.json, always the same, and signatures.json, whose keys are kept but whose randomised signatures are
// new ones: node --disable-warning=ExperimentalWarning spec/vectors/generate.ts

const file = (name: string): URL => new URL(name, import.meta.url);

const write = (name: string, content: object): void => {
  writeFileSync(file(name), `${JSON.stringify(content, null, 2)}\n`);
};

write("ciphertext.json", { vectors: ciphertextVectors() });

const existing = existsSync(file("signatures.json"))
  ? (JSON.parse(readFileSync(file("signatures.json"), "utf8")) as SignatureFile)
  : undefined;
const keys = existing?.keys ?? (await makeTestKeys());
write("signatures.json", { keys, vectors: await signatureVectors(keys) });
