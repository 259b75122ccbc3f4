import { encodeEntry } from "../../packages/server/src/audit/entry.ts";
import type { SinkEntry } from "../../packages/server/src/audit/sinks/sink.ts";

/** The name of the log that these entries are of. */
export const LOG_NAME = `bkms/${"0".repeat(32)}/main`;

/** Entries as the log has them, with texts that are easily spoiled on their way. */
export function auditEntries(first: number, count: number): readonly SinkEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const index = first + i;
    const bytes = encodeEntry({
      time: 1_764_000_000_000 + index,
      requestId: `r${index}`,
      identity: { id: "00".repeat(16), name: index % 3 === 0 ? 'Zoë "7"\\' : "app", role: "operator" },
      operation: "keys.encrypt",
      resource: "key/k",
      outcome: index % 5 === 4 ? "not_found" : "ok",
      source: "127.0.0.1",
      transport: "rest",
      request: { name: index % 2 === 0 ? "line\nend, tab\t, \u2028" : "k" },
      response: {},
      critical: index % 7 === 6,
    });
    return { index, bytes };
  });
}

/**
 * Waits until something holds.
 * @param everyMs How often it is looked at: where a look is itself recorded, seldom enough for its entry to be handed out.
 * @throws Error after so many milliseconds.
 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  ms = 20_000,
  everyMs = 20,
): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline) {
      throw new Error(`it did not come: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
