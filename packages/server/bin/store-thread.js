// Where the store's thread begins. JavaScript, as bunkms-server.js: a thread has a compile cache only if it asks for one itself, and
// without it a start would wait for all of the thread's modules to be compiled.
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "..", ".cache", "compile"));
await import("../src/store/sqlite-thread.ts");
