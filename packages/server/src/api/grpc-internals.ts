import type * as grpc from "@grpc/grpc-js";

/**
 * Replaces a method of a server that grpc-js keeps to itself: an internal of the version that is pinned, for what its API offers no way.
 * @param without What would be, for the error.
 * @param replace Gets the method that was there.
 * @throws Error when this grpc-js has no such method: better no server than one that does without.
 */
export function replaceInternal<Method extends (...given: never[]) => unknown>(
  server: grpc.Server,
  name: string,
  without: string,
  replace: (original: Method) => Method,
): void {
  const internals = server as unknown as Record<string, unknown>;
  const original = internals[name];
  if (typeof original !== "function") {
    throw new Error(`@grpc/grpc-js has no ${name} any more: ${without}`);
  }
  internals[name] = replace(original.bind(server) as Method);
}
