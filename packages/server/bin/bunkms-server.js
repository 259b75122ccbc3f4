#!/usr/bin/env node
// JavaScript, so that with a filled cache nothing of the runtime's TypeScript support is loaded: types are stripped and
// code is compiled at the first start only. The cache lies in this package's own folder, not in the default under the
// system's folder for temporary files, where another user could plant code.
import { enableCompileCache } from "node:module";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";

enableCompileCache(join(import.meta.dirname, "..", ".cache", "compile"));
const { run } = await import("../src/main.ts");
await run();
// Not before all is loaded: V8 takes no compiled code that was made with other flags, and would compile Node's own modules anew.
// The heap grows in smaller steps: a third less resident memory under load. What was compiled stays, which V8 would throw away between
// two bursts of calls: the second took twice the CPU time. bench/README.md has what both cost.
setFlagsFromString("--heap-growing-percent=40");
setFlagsFromString("--no-flush-bytecode");
