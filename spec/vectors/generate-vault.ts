import { writeFileSync } from "node:fs";
import { auditIndexVectors } from "./audit-index-vectors.ts";
import { auditProofVectors } from "./audit-proof-vectors.ts";
import { auditVectors } from "./audit-vectors.ts";
import { recordVectors } from "./record-vectors.ts";
import { sealSlotVectors } from "./seal-slot-vectors.ts";
import { tokenVectors } from "./token-vectors.ts";

// Writes record.json, seal-slot.json, audit-batch.json, audit-proof.json, audit-index.json and token.json, always the same:
// node --disable-warning=ExperimentalWarning spec/vectors/generate-vault.ts

const write = (name: string, content: object): void => {
  writeFileSync(new URL(name, import.meta.url), `${JSON.stringify(content, null, 2)}\n`);
};

write("record.json", recordVectors());
write("seal-slot.json", { vectors: sealSlotVectors() });
write("audit-batch.json", auditVectors());
write("audit-proof.json", auditProofVectors());
write("audit-index.json", auditIndexVectors());
write("token.json", { vectors: tokenVectors() });
