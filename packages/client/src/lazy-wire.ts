import { RequestError } from "./errors.ts";
import type { Wire } from "./wire.ts";

/** A wire whose code is loaded with the first call. */
export function lazyWire(origin: string, load: () => Promise<Wire>): Wire {
  let loaded: Promise<Wire> | undefined;
  let closed = false;
  const wire = (): Promise<Wire> => {
    if (closed) {
      throw new RequestError("the client was closed");
    }
    loaded ??= load();
    return loaded;
  };
  return {
    origin,
    call: async (...args) => (await wire()).call(...args),
    async *stream(...args) {
      yield* (await wire()).stream(...args);
    },
    probe: async (...args) => (await wire()).probe(...args),
    close() {
      closed = true;
      loaded?.then(
        (opened) => opened.close(),
        () => {},
      );
    },
  };
}
