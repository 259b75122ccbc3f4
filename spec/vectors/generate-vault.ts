import { writeFileSync } from "node:fs";
import { auditVectors } from "./audit-vectors.ts";
import { recordVectors } from "./record-vectors.ts";
import { sealSlotVectors } from "./seal-slot-vectors.ts";
import { tokenVectors } from "./token-vectors.ts";

// Writes record.json, seal-slot.json, audit-batch.json and token.json, always the same:
// node --disable-warning=ExperimentalWarning spec/vectors/generate-vault.ts

const write = (name: string, content: object): void => {
  writeFileSync(new URL(name, import.meta.url), `${JSON.stringify(content, null, 2)}\n`);
};

write("record.json", recordVectors());
write("seal-slot.json", { vectors: sealSlotVectors() });
write("audit-batch.json", auditVectors());
write("token.json", { vectors: tokenVectors() });
