import { writeFileSync } from "node:fs";
import { envelopeVectors } from "./envelope-vectors.ts";

// Writes envelope.json, always the same: node --disable-warning=ExperimentalWarning spec/vectors/generate-envelope.ts

writeFileSync(new URL("envelope.json", import.meta.url), `${JSON.stringify(envelopeVectors(), null, 2)}\n`);
