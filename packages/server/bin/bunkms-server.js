#!/usr/bin/env node
// JavaScript, so that with a filled cache nothing of the runtime's TypeScript support is loaded: types are stripped and
// code is compiled at the first start only. The cache lies in this package's own folder, not in the default under the
// system's folder for temporary files, where another user could plant code.
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

// The heap grows in smaller steps: a third less resident memory under load (bench/README.md has what it costs).
setFlagsFromString("--heap-growing-percent=40");
enableCompileCache(join(import.meta.dirname, "..", ".cache", "compile"));
const { run } = await import("../src/main.ts");
await run();
