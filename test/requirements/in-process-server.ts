/** The real server inside of the test, so that its time can be set forward and its store be looked into. */

import assert from "node:assert/strict";
import type { JsonObject } from "@bufbuild/protobuf";
import pino from "pino";
import { serve } from "../../packages/server/src/boot/serve.ts";
import { testSeal, testSeals } from "../../packages/server/src/boot/test-vault.ts";
import type { Unsealed } from "../../packages/server/src/boot/unseal.ts";
import { readConfig } from "../../packages/server/src/config/config.ts";
import type { IssuedRootToken } from "../../packages/server/src/operations/seal-control.ts";
import { Periodic } from "../../packages/server/src/pipeline/periodic.ts";
import { openMemoryStore } from "../../packages/server/src/store/memory.ts";
import type { Store } from "../../packages/server/src/store/store.ts";
import { type Answer, bothTransports, closeAll, operationOf, type Transport } from "./operation-call.ts";

/** What a server is opened on. */
export interface InProcessOptions {
  /** A new one in memory by default. The server closes it. */
  readonly store?: Store;
  readonly seal?: ReturnType<typeof testSeal>;
  /** Of a vault that was opened before. */
  readonly rootToken?: string;
}

/** A server at work, on loopback ports of its own. */
export interface InProcessServer extends AsyncDisposable {
  /** REST base address, without a trailing slash. */
  readonly url: string;
  readonly rootToken: string;
  readonly transports: readonly [rest: Transport, grpc: Transport];
  readonly unsealed: Unsealed;
  /** Calls over REST, as root. */
  call(action: string, request: JsonObject): Promise<Answer>;
  /** The same for what must not fail. @throws AssertionError */
  value(action: string, request: JsonObject): Promise<JsonObject>;
  /** Does what is due at a time, in milliseconds since 1970, as the server's own periodic work would then. */
  roundAt(time: number): Promise<void>;
}

/** Opens or makes a vault and serves it. @throws whatever keeps the server from starting. */
export async function startInProcess(options: InProcessOptions = {}): Promise<InProcessServer> {
  const { store = openMemoryStore(), seal = testSeal() } = options;
  const config = readConfig(["--dev", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0"], {});
  let issued: IssuedRootToken | undefined;
  const running = await serve({
    config,
    store,
    seals: testSeals(seal),
    log: pino({ level: "silent" }),
    announce: (token) => {
      issued = token;
    },
  });
  const unsealed = running.unsealed() as Unsealed;
  const transports = bothTransports({ url: running.restUrl, grpcAddr: running.grpcAddress });
  const rootToken = issued?.token ?? options.rootToken ?? "";
  const call = (action: string, request: JsonObject): Promise<Answer> =>
    transports[0].call(operationOf(action), request, { token: rootToken });
  return {
    url: running.restUrl,
    rootToken,
    transports,
    unsealed,
    call,
    async value(action, request) {
      const answer = await call(action, request);
      assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
      return answer.value;
    },
    async roundAt(time) {
      const failures: unknown[] = [];
      const { vault, tokens, committer } = unsealed;
      const onFailure = (error: unknown) => failures.push(error);
      await new Periodic({ vault, tokens, committer, clock: () => time, onFailure }).round();
      assert.deepEqual(failures, []);
    },
    async [Symbol.asyncDispose]() {
      closeAll(transports);
      await running.close();
    },
  };
}
