import { writeFileSync } from "node:fs";
import { shareFile } from "./share-vectors.ts";

// Writes share.json, the same but for what HPKE draws:
// node --disable-warning=ExperimentalWarning spec/vectors/generate-shamir.ts

writeFileSync(new URL("share.json", import.meta.url), `${JSON.stringify(shareFile(), null, 2)}\n`);
