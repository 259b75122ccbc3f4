import type { Runtime } from "./runtime/runtime.ts";

/**
 * Loads what needs more than a browser has. The package's `imports` choose which module that is, so that nothing of Node gets
 * into what is bundled for browsers.
 */
export async function loadRuntime(): Promise<Runtime> {
  return (await import("#runtime")).runtime;
}
