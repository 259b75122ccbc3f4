import { fromJson, type JsonObject, type Message, toJson } from "@bufbuild/protobuf";
import { BunkmsError, type OperationSpec, readOperations } from "@bunkms/contract";
import { authoriseByRole } from "../access/authorise.ts";
import { Credentials } from "../access/credentials.ts";
import type { ArchiveFolder } from "../audit/archive-folder.ts";
import type { Introspection } from "../operations/operation.ts";
import { loadOperations } from "../operations/registry.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import type { Store } from "../store/store.ts";
import { Keeper } from "./keeper.ts";
import { openServices, sealedServices } from "./services.ts";
import { FaultyStore, testSeal, testSeals } from "./test-vault.ts";
import type { Unsealed } from "./unseal.ts";

/** Where a call comes from: over TLS from this machine, if nothing else is said. */
export interface CallFrom {
  readonly secure?: boolean;
  readonly source?: string;
  /** None, if nothing else is said. */
  readonly idempotencyKey?: string;
}

/** Operations of a vault under test, called through the real pipeline but without a network. */
export interface TestCalls {
  readonly unsealed: Unsealed;
  readonly store: Store;
  /** Milliseconds since 1970, for the test to set; at first the real time. */
  now: number;
  /** What the server would have logged of failures. */
  readonly failures: unknown[];
  /** Calls as root. @param request JSON with the contract's names. @throws BunkmsError */
  call(action: string, request: JsonObject, options?: CallFrom): Promise<JsonObject>;
  /** The code that a call is refused with; `ok` when it is not. */
  code(action: string, request: JsonObject, options?: CallFrom): Promise<string>;
}

const SPECS = new Map(readOperations().map((spec) => [spec.action, spec]));

/** A new vault, or one that is there. @param rootToken Of a vault that is there. */
export async function testCalls(
  store: Store = new FaultyStore(),
  seal: ReturnType<typeof testSeal> = testSeal(),
  rootToken?: string,
  archive?: ArchiveFolder,
): Promise<TestCalls> {
  const failures: unknown[] = [];
  const time = { now: Date.now() };
  const introspection: Introspection = {
    metrics: async () => "",
    openApi: async () => new Uint8Array(),
    version: "0.0.0",
    storage: "memory",
  };
  let token = rootToken;
  const keeper: Keeper = new Keeper({
    store,
    archive,
    seals: testSeals(seal),
    rootTokenTtl: 0,
    clock: () => time.now,
    services: (unsealed) =>
      openServices(unsealed, introspection, keeper, {
        auditArchive: archive,
        auditMaxBytes: 0,
        witnessing: () => undefined,
      }),
    servicesWhileSealed: (seals) => sealedServices(introspection, seals),
    onMade: (made) => {
      token = made.token;
    },
    onOpen: () => {},
    beforeSeal: async () => {},
    report: { info: () => {}, warn: () => {}, error: ({ err }) => failures.push(err) },
  });
  await keeper.start();
  let requests = 0;
  const pipeline = new Pipeline({
    custody: keeper,
    operations: await loadOperations([...SPECS.values()]),
    credentials: new Credentials(),
    authorise: authoriseByRole,
    reporter: { call: () => {}, failure: (_, error) => failures.push(error) },
    publicActions: new Map(),
    maxInFlight: 1000,
    clock: () => time.now,
  });
  const calls: TestCalls = {
    unsealed: keeper.unsealed as Unsealed,
    store,
    get now() {
      return time.now;
    },
    set now(now) {
      time.now = now;
    },
    failures,
    async call(action, request, { secure = true, source = "127.0.0.1", idempotencyKey } = {}) {
      const operation = SPECS.get(action) as OperationSpec;
      requests += 1;
      const response: Message = await pipeline.run({
        transport: "rest",
        source,
        requestId: `request-${requests}`,
        secure,
        token,
        idempotencyKey,
        operation,
        signal: new AbortController().signal,
        readRequest: async () => fromJson(operation.method.input, request),
      });
      const options = { useProtoFieldName: true, alwaysEmitImplicit: true };
      return toJson(operation.method.output, response as never, options) as JsonObject;
    },
    async code(action, request, options) {
      try {
        await calls.call(action, request, options);
        return "ok";
      } catch (error) {
        if (error instanceof BunkmsError) {
          return error.code;
        }
        throw error;
      }
    },
  };
  return calls;
}
