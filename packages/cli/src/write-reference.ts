// Brings the reference in docs/cli.md up to date: node packages/cli/src/write-reference.ts
import { readFileSync, writeFileSync } from "node:fs";
import { processIo } from "./process-io.ts";
import { buildProgram } from "./program.ts";
import { renderReference, replaceReference } from "./reference.ts";

const path = new URL("../../../docs/cli.md", import.meta.url);
const reference = renderReference(buildProgram(processIo(), () => {}));
writeFileSync(path, replaceReference(readFileSync(path, "utf8"), reference));
