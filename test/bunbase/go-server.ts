import { findClosedPort } from "../harness/canned-server.ts";
import { startServer, type TestServer } from "../harness/server.ts";
import { startGoKms } from "./go-kms.ts";

/** What both servers of a comparison are told: the secret of their JWTs. */
export const JWT_SECRET = "a secret of both servers, 32 bytes and more";

/** A server that the platform's programs are pointed at. */
export interface ComparedServer {
  readonly url: string;
  /** Of the framed RPC. */
  readonly rpc: string;
  stop(): Promise<void>;
}

/** The real Go server, in memory. */
export async function startGoServer(): Promise<ComparedServer> {
  const rpc = `127.0.0.1:${await findClosedPort()}`;
  const server = await startGoKms({ BUNKMS_RPC_ADDR: rpc, BUNKMS_JWT_SECRET: JWT_SECRET });
  return { url: `http://${server.address}`, rpc, stop: () => server.kill() };
}

/** This server, with what it wants to be told for such callers. */
export async function startOurServer(): Promise<ComparedServer & { readonly server: TestServer }> {
  const server = await startServer({
    args: ["--rpc-addr", "127.0.0.1:0", "--rpc-secrets", "tenant_auth.*"],
    env: { BUNKMS_JWT_SECRET: JWT_SECRET },
  });
  const rpc = /^RPC {3}(\S+), without authentication/m.exec(server.output())?.[1] ?? "";
  return { server, url: server.url, rpc, stop: () => server.remove() };
}
