import { fromJson, type JsonObject, type Message, toJson } from "@bufbuild/protobuf";
import { BunkmsError, type OperationSpec, readOperations } from "@bunkms/contract";
import { authoriseByRole } from "../access/authorise.ts";
import { AuditReader } from "../audit/reader.ts";
import { loadOperations } from "../operations/registry.ts";
import { auditBatches } from "../pipeline/audit-batches.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import type { Store } from "../store/store.ts";
import { FaultyStore, testSeal } from "./test-vault.ts";
import { openOrCreate, type Unsealed } from "./unseal.ts";

/** Operations of a vault under test, called through the real pipeline but without a network. */
export interface TestCalls {
  readonly unsealed: Unsealed;
  readonly store: Store;
  /** Milliseconds since 1970, for the test to set; at first the real time. */
  now: number;
  /** What the server would have logged of failures. */
  readonly failures: unknown[];
  /** Calls as root. @param request JSON with the contract's names. @throws BunkmsError */
  call(action: string, request: JsonObject, options?: { readonly secure?: boolean }): Promise<JsonObject>;
  /** The code that a call is refused with; `ok` when it is not. */
  code(action: string, request: JsonObject, options?: { readonly secure?: boolean }): Promise<string>;
}

const SPECS = new Map(readOperations().map((spec) => [spec.action, spec]));

/** A new vault, or one that is there. @param rootToken Of a vault that is there. */
export async function testCalls(
  store: Store = new FaultyStore(),
  seal: ReturnType<typeof testSeal> = testSeal(),
  rootToken?: string,
): Promise<TestCalls> {
  const unsealed = await openOrCreate(store, seal());
  const { vault, tokens, committer, log } = unsealed;
  const token = unsealed.rootToken ?? rootToken;
  const failures: unknown[] = [];
  let requests = 0;
  const pipeline = new Pipeline({
    services: {
      vault,
      tokens,
      audit: new AuditReader(auditBatches(vault.records), log),
      introspection: { metrics: async () => "", openApi: async () => new Uint8Array() },
    },
    operations: await loadOperations([...SPECS.values()]),
    authorise: authoriseByRole,
    committer,
    auditKey: vault.auditKey,
    reporter: { call: () => {}, failure: (_, error) => failures.push(error) },
    publicActions: new Set(),
    maxInFlight: 1000,
    clock: () => calls.now,
  });
  const calls: TestCalls = {
    unsealed,
    store,
    now: Date.now(),
    failures,
    async call(action, request, { secure = true } = {}) {
      const operation = SPECS.get(action) as OperationSpec;
      requests += 1;
      const response: Message = await pipeline.run({
        transport: "rest",
        source: "127.0.0.1",
        requestId: `request-${requests}`,
        secure,
        token,
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
