import { enableCompileCache } from "node:module";

// Before anything else is loaded: types are stripped and code is compiled once, not at each start.
enableCompileCache();
const { run } = await import("./boot/run.ts");
await run();
