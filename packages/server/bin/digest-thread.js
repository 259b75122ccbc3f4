// Where the thread for signatures of digests begins. JavaScript, for the same reasons as store-thread.js.
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "..", ".cache", "compile"));
await import("../src/crypto/digest-jobs.ts");
