import { once } from "node:events";
import { type AddressInfo, createServer, isIPv6, type Socket } from "node:net";
import type { OperationSpec } from "@bunkms/contract";
import { rpcIdentity } from "../access/rpc-identity.ts";
import { RpcConnection, type RpcParts } from "../api/rpc-connection.ts";
import type { RpcSettings } from "../config/rpc-settings.ts";
import { anyOr, cannotListen, type Listener, shown } from "./listen.ts";

/** Enough for many services, of which each has one; what each may hold of a frame is bounded, and so is all of it. */
const MAX_CONNECTIONS = 64;
const FRAME_MS = 10_000;
/** A peer that went away without a word is noticed after about ten of these. */
const KEEP_ALIVE_MS = 60_000;

/** Listens for the framed RPC. */
export async function listenRpc(
  { address, secrets, clients }: RpcSettings,
  { pipeline, operations }: Pick<RpcParts, "pipeline"> & { readonly operations: readonly OperationSpec[] },
): Promise<Listener> {
  const rpc: RpcParts = {
    pipeline,
    operations: new Map(operations.map((operation) => [operation.action, operation])),
    identity: rpcIdentity(secrets),
    frameMs: FRAME_MS,
  };
  const connections = new Set<RpcConnection>();
  // Half open: who has sent his last request still waits for its answer.
  const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  const server = createServer(options, (socket) => void take(socket));
  server.listen(address.port, anyOr(address.host));
  await once(server, "listening").catch((cause) => {
    throw cannotListen("--rpc-addr", address, cause);
  });

  async function take(socket: Socket): Promise<void> {
    // Whatever is wrong with a socket ends it, and its end is seen elsewhere.
    socket.on("error", () => {});
    const connection = new RpcConnection(rpc, socket);
    const { source } = connection;
    if (clients !== undefined && !clients.check(source, isIPv6(source) ? "ipv6" : "ipv4")) {
      await connection.refuse();
      return;
    }
    if (connections.size >= MAX_CONNECTIONS && !makeRoom(connections)) {
      connection.destroy();
      return;
    }
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
    await connection.serve();
  }

  return {
    address: shown(address.host, (server.address() as AddressInfo).port),
    async close(graceMs) {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const connection of connections) {
        connection.end();
      }
      const timer = setTimeout(() => {
        for (const connection of connections) {
          connection.destroy();
        }
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

/** Ends the connection that has been idle longest. @returns False when none is. */
function makeRoom(connections: Set<RpcConnection>): boolean {
  const [longest] = [...connections].filter(({ isIdle }) => isIdle).sort((a, b) => a.lastUsed - b.lastUsed);
  longest?.end();
  return longest !== undefined && connections.delete(longest);
}
