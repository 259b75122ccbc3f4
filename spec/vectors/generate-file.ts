import { writeFileSync } from "node:fs";
import { fileVectors } from "./file-vectors.ts";

// Writes file.json, always the same: node --disable-warning=ExperimentalWarning spec/vectors/generate-file.ts

writeFileSync(new URL("file.json", import.meta.url), `${JSON.stringify(fileVectors(), null, 2)}\n`);
