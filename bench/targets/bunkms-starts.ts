import { type BunkmsOptions, type BunkmsProcess, startBunkms } from "./bunkms-process.ts";

/** Times from exec to ready, in milliseconds. */
export interface StartTimes {
  /** The first on an empty disk: code is compiled for the first time, and a vault is made. */
  readonly first: number;
  /** Later ones on the same vault, in the order of the starts. */
  readonly later: readonly number[];
}

/**
 * Starts the server once anew and so many times again.
 * @returns The times, and the last of these servers, which goes on running: it is as a server usually is, one that
 * found its compiled code in the cache. Only this one gets the runtime's flags, which may slow it.
 */
export async function startRepeatedly(
  options: BunkmsOptions,
  times: number,
): Promise<{ readonly times: StartTimes; readonly server: BunkmsProcess }> {
  const unobserved = { ...options, nodeFlags: [] };
  const first = await startBunkms(unobserved);
  await first.stop();
  const later: number[] = [];
  for (;;) {
    const server = await startBunkms(later.length === times - 1 ? options : unobserved);
    later.push(server.readyMs);
    if (later.length === times) {
      return { times: { first: first.readyMs, later }, server: { ...server, rootToken: first.rootToken } };
    }
    await server.stop();
  }
}
