import { spawn } from "node:child_process";
import { once } from "node:events";
import { until } from "../harness/audit-entries.ts";
import { findClosedPort } from "../harness/canned-server.ts";
import { startServer, type TestServer, withoutSettings } from "../harness/server.ts";
import { goPrograms } from "./go-programs.ts";

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
  const { server } = await goPrograms();
  const [port, rpcPort] = [await findClosedPort(), await findClosedPort()];
  const env = {
    BUNKMS_ADDR: `127.0.0.1:${port}`,
    BUNKMS_RPC_ADDR: `127.0.0.1:${rpcPort}`,
    BUNKMS_MASTER_KEY: "5a".repeat(32),
    BUNKMS_JWT_SECRET: JWT_SECRET,
  };
  const child = spawn(server, { env: { ...withoutSettings(process.env), ...env }, stdio: "ignore" });
  const ended = once(child, "close");
  const url = `http://127.0.0.1:${port}`;
  const isUp = (): Promise<boolean> =>
    fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(isUp, "the Go server");
  return {
    url,
    rpc: `127.0.0.1:${rpcPort}`,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
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
