import { readFile } from "node:fs/promises";
import { readOperations } from "@bunkms/contract";
import type { Logger } from "pino";
import { authoriseByRole } from "../access/authorise.ts";
import { grpcServer } from "../api/grpc.ts";
import { Health } from "../api/health.ts";
import { restListener } from "../api/rest.ts";
import { AuditReader } from "../audit/reader.ts";
import type { Config } from "../config/config.ts";
import { loadOperations } from "../operations/registry.ts";
import { auditBatches } from "../pipeline/audit-batches.ts";
import { Periodic } from "../pipeline/periodic.ts";
import { Pipeline } from "../pipeline/pipeline.ts";
import type { Store } from "../store/store.ts";
import { listenGrpc, listenRest } from "./listen.ts";
import { Metrics } from "./metrics.ts";
import { TlsSource } from "./tls.ts";
import type { Unsealed } from "./unseal.ts";

/** A server at work. */
export interface Running {
  /** For example `http://127.0.0.1:8080`. */
  readonly restUrl: string;
  /** For example `127.0.0.1:8081`. */
  readonly grpcAddress: string;
  /** Reads the TLS certificate again. */
  reload(): void;
  /** Stops accepting, finishes what is in flight, closes the store. */
  close(): Promise<void>;
}

const GRACE_MS = 10_000;

/** Puts the rooms together and listens. */
export async function serve(config: Config, store: Store, unsealed: Unsealed, log: Logger): Promise<Running> {
  const { vault, tokens, committer } = unsealed;
  const specs = readOperations();
  const metrics = new Metrics(
    () => unsealed.log.frontier.size,
    () => committer.healthy,
  );
  const pipeline = new Pipeline({
    services: {
      vault,
      tokens,
      audit: new AuditReader(auditBatches(vault.records), unsealed.log),
      introspection: { metrics: () => metrics.text(), openApi: readOpenApi },
    },
    operations: await loadOperations(specs),
    authorise: authoriseByRole,
    committer,
    auditKey: vault.auditKey,
    reporter: {
      call: (line) => {
        metrics.observe(line);
        log.info(line, "call");
      },
      failure: (requestId, err) => log.error({ request_id: requestId, err }, "failure"),
    },
    publicActions: publicActions(config),
    maxInFlight: config.maxInFlight,
    clock: Date.now,
  });
  const periodic = new Periodic({
    vault,
    committer,
    clock: Date.now,
    onFailure: (err) => log.error({ err }, "periodic work failed, and is tried again"),
  });
  const health = new Health(() => probe(store));
  const tls =
    config.tls && new TlsSource(config.tls, (err) => log.error({ err }, "the TLS certificate was not reloaded"));
  const parts = { pipeline, operations: specs, health };
  const rest = await listenRest(config.restAddress, restListener(parts), tls);
  const grpc = await listenGrpc(config.grpcAddress, grpcServer({ ...parts, secure: tls !== undefined }), tls);
  tls?.watch();
  periodic.start();
  return {
    restUrl: `${tls === undefined ? "http" : "https"}://${rest.address}`,
    grpcAddress: grpc.address,
    reload: () => tls?.reload(),
    async close() {
      health.close();
      tls?.close();
      await Promise.all([rest.close(GRACE_MS), grpc.close(GRACE_MS)]);
      await pipeline.close();
      await periodic.stop();
      await store.close();
    },
  };
}

/** What the operator opened to callers without a token. */
function publicActions({ metricsPublic, jwksPublic }: Config): ReadonlySet<string> {
  return new Set([...(metricsPublic ? ["system.metrics"] : []), ...(jwksPublic ? ["keys.get_jwks"] : [])]);
}

let openApi: Promise<Uint8Array> | undefined;

function readOpenApi(): Promise<Uint8Array> {
  openApi ??= readFile(new URL(import.meta.resolve("@bunkms/contract/openapi.json")));
  return openApi;
}

/** Writes and deletes a record of no meaning. */
async function probe(store: Store): Promise<void> {
  const before = await store.get("probe", "ready");
  await store.commit([
    { table: "probe", path: "ready", value: Buffer.from(String(Date.now())), expected: before?.revision ?? 0 },
  ]);
}
