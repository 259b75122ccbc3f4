import assert from "node:assert/strict";
import pino from "pino";
import type { OwnSealKind, SealSource } from "../../packages/server/src/boot/configured-seals.ts";
import { serve } from "../../packages/server/src/boot/serve.ts";
import { FaultyStore } from "../../packages/server/src/boot/test-vault.ts";
import { readConfig } from "../../packages/server/src/config/config.ts";
import { StoreUnavailable } from "../../packages/server/src/store/store.ts";
import { bothTransports, closeAll, type Transport } from "./operation-call.ts";
import { initialise, type MadeVault, SealCalls } from "./shamir-vault.ts";

/** A server in this process, on a store that the test can break. */
export interface Breakable extends AsyncDisposable {
  readonly store: FaultyStore;
  readonly transports: readonly [Transport, Transport];
  /** From now on no commit is done. */
  break(): void;
  repair(): void;
}

const ONLY_SHARES: SealSource = {
  kinds: [],
  forNewVault: ["shamir"],
  has: (_kind): _kind is OwnSealKind => false,
  open: () => Promise.reject(new Error("there are only shares")),
  renew: () => Promise.reject(new Error("there is none")),
  adopt: () => {},
  close: async () => {},
};

/** Starts it. There is no vault yet, and shares are to open it. */
export async function startBreakable(): Promise<Breakable> {
  const store = new FaultyStore();
  const running = await serve({
    config: readConfig(["--dev", "--store", "memory", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"], {}),
    store,
    seals: ONLY_SHARES,
    log: pino({ level: "silent" }),
    announce: () => assert.fail("nobody made a vault"),
  });
  const transports = bothTransports({ url: running.restUrl, grpcAddr: running.grpcAddress });
  const repair = (): void => {
    store.beforeCommit = () => {};
    store.afterCommit = () => {};
  };
  return {
    store,
    transports,
    break: () => {
      store.beforeCommit = () => {
        throw new StoreUnavailable("broken by the test");
      };
    },
    repair,
    async [Symbol.asyncDispose]() {
      repair();
      closeAll(transports);
      await running.close();
    },
  };
}

/** The same with its vault, open. */
export async function startBreakableVault(): Promise<
  Breakable & { readonly vault: MadeVault; readonly calls: SealCalls }
> {
  const server = await startBreakable();
  const vault = await initialise(server.transports[0]);
  return Object.assign(server, { vault, calls: new SealCalls(server.transports[0], vault.rootToken) });
}
