// Loaded before each test file. JavaScript, so that with a filled cache nothing of the runtime's TypeScript support is loaded: a file
// that imports much needs a quarter less CPU time. By a call and not by a variable of the environment, which servers under test would
// be given as well, and they keep a cache of their own.
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "..", "..", ".cache", "compiled"));
