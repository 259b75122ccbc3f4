import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { BunkmsError, readOperations } from "@bunkms/contract";
import type { Logger } from "pino";
import { authoriseByRole } from "../access/authorise.ts";
import { grpcServer } from "../api/grpc.ts";
import { Health } from "../api/health.ts";
import { restListener } from "../api/rest.ts";
import { ArchiveFolder } from "../audit/archive-folder.ts";
import type { Config } from "../config/config.ts";
import { label } from "../config/settings.ts";
import type { Introspection } from "../operations/operation.ts";
import { loadOperations } from "../operations/registry.ts";
import type { IssuedRootToken, SealStatusInfo } from "../operations/seal-control.ts";
import { cursorStore, logSource } from "../pipeline/audit-feed.ts";
import { Periodic } from "../pipeline/periodic.ts";
import { Pipeline, type PipelineParts } from "../pipeline/pipeline.ts";
import type { Store } from "../store/store.ts";
import { AuditSinks } from "./audit-sinks.ts";
import { AuditWitnesses, usablePolicy } from "./audit-witnesses.ts";
import { refuseCircularStore } from "./circular-store.ts";
import type { SealSource } from "./configured-seals.ts";
import { configuredCredentials } from "./credentials.ts";
import { Keeper } from "./keeper.ts";
import { listenGrpc, listenRest } from "./listen.ts";
import { listenRpc } from "./listen-rpc.ts";
import { Metrics } from "./metrics.ts";
import { openServices, sealedServices } from "./services.ts";
import type { BesideStore } from "./sound-vault.ts";
import { TlsSource } from "./tls.ts";
import type { Unsealed } from "./unseal.ts";
import { VERSION } from "./version.ts";
import { Witness } from "./witness.ts";

/** A server at work. */
export interface Running {
  /** For example `http://127.0.0.1:8080`. */
  readonly restUrl: string;
  /** For example `127.0.0.1:8081`. */
  readonly grpcAddress: string;
  /** Of the framed RPC, if there is one. */
  readonly rpcAddress: string | undefined;
  status(): SealStatusInfo;
  /** The vault that is open, for who shares this process. */
  unsealed(): Unsealed | undefined;
  /** Reads the TLS certificate again, and opens the audit file anew. */
  reload(): void;
  /** Stops accepting, finishes what is in flight, closes the store. */
  close(): Promise<void>;
}

const GRACE_MS = 10_000;

/** What a server is made of. */
interface ServerParts {
  readonly config: Config;
  readonly store: Store;
  readonly seals: SealSource;
  readonly log: Logger;
  /**
   * Called with the root token of a vault that was made just now, before anything else can fail: before the server
   * listens, or later, when it had to wait for a seal. Must not throw.
   */
  readonly announce: (token: IssuedRootToken) => void;
}

/** Puts the rooms together, opens or makes the vault if that goes by itself, and listens. */
export async function serve({ config, store, seals, log, announce }: ServerParts): Promise<Running> {
  const specs = readOperations();
  const introspection: Introspection = {
    metrics: () => metrics.text(),
    openApi: readOpenApi,
    version: VERSION,
    storage: config.store,
  };
  const sinks = new AuditSinks(config.audit, log);
  const work = new OpenVaultWork(log, sinks);
  const beside = besideStore(config);
  const { auditPolicy } = config;
  const policy = auditPolicy && usablePolicy(auditPolicy, label("auditPolicyFile"));
  const witnesses = new AuditWitnesses(policy, log);
  const keeper: Keeper = new Keeper({
    store,
    seals,
    rootTokenTtl: config.rootTokenTtl,
    clock: Date.now,
    services: (unsealed) =>
      openServices(unsealed, introspection, keeper, {
        auditArchive: beside.archive,
        auditMaxBytes: config.auditMaxBytes,
        witnessing: () => witnesses.state,
      }),
    servicesWhileSealed: (control) => sealedServices(introspection, control),
    onMade: announce,
    onOpen: (unsealed) => {
      work.start(unsealed);
      witnesses.start(unsealed);
    },
    beforeSeal: async () => {
      await Promise.all([work.stop(), witnesses.stop()]);
    },
    report: log,
    ...beside,
  });
  const metrics = new Metrics({
    auditEntries: () => keeper.unsealed?.log.frontier.size ?? 0,
    auditBytes: () => keeper.current?.services.auditSpace.stored() ?? 0,
    auditUnindexed: () => keeper.unsealed?.index.lag ?? 0,
    auditSigned: () => keeper.unsealed?.checkpoints.size ?? 0,
    healthy: () => keeper.unsealed?.committer.healthy ?? true,
    damaged: () => keeper.unsealed?.vault.records.damage.records ?? 0,
    sealed: () => keeper.current === undefined,
    failingSeals: () => keeper.status().failing.length,
    sinks: () => sinks.status,
    ...(policy === undefined
      ? {}
      : {
          witnessing: {
            state: () => witnesses.state,
            cosigned: () => keeper.unsealed?.checkpoints.cosigned,
          },
        }),
  });
  const pipeline = new Pipeline({
    custody: keeper,
    operations: await loadOperations(specs),
    credentials: configuredCredentials(config),
    authorise: authoriseByRole,
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
  try {
    if (config.store !== "memory") {
      await refuseCircularStore(store, config.dataPath);
    }
    await keeper.start();
    const health = new Health(
      () => keeper.notReady() ?? fullLog(keeper),
      () => probe(store),
    );
    const tls =
      config.tls && new TlsSource(config.tls, (err) => log.error({ err }, "the TLS certificate was not reloaded"));
    const parts = { pipeline, operations: specs, health };
    const sysHealth = () => ({ ...keeper.status(), version: VERSION });
    const rest = await listenRest(config.restAddress, restListener({ ...parts, sysHealth }), tls);
    const grpc = await listenGrpc(config.grpcAddress, grpcServer({ ...parts, secure: tls !== undefined }), tls);
    const rpc = config.rpc && (await listenRpc(config.rpc, parts));
    tls?.watch();
    return {
      restUrl: `${tls === undefined ? "http" : "https"}://${rest.address}`,
      grpcAddress: grpc.address,
      rpcAddress: rpc?.address,
      status: () => keeper.status(),
      unsealed: () => keeper.unsealed,
      reload: () => {
        tls?.reload();
        sinks.reopen();
      },
      async close() {
        health.close();
        tls?.close();
        await Promise.all([rest, grpc, rpc].map((listener) => listener?.close(GRACE_MS)));
        await pipeline.close();
        await keeper.close();
        await store.close();
      },
    };
  } catch (error) {
    await keeper.close();
    throw error;
  }
}

/** What lies beside the store. Of a vault in memory nothing remembers how far it is: there is nothing to come back from. */
export function besideStore({ store, witnessFile, dataPath, acceptRollback, auditArchive }: Config): BesideStore {
  return {
    ...(store === "memory" ? {} : { witness: new Witness(witnessFile ?? join(dataPath, "witness"), acceptRollback) }),
    ...(auditArchive === undefined ? {} : { archive: new ArchiveFolder(auditArchive) }),
  };
}

/** Why nothing is served although the vault is open. */
function fullLog({ current }: Keeper): BunkmsError | undefined {
  return current?.services.auditSpace.isFull === true ? new BunkmsError("audit_full") : undefined;
}

/** What goes on by itself while a vault is open: its periodic work, and the feeding of the audit log's sinks. */
class OpenVaultWork {
  readonly #log: Logger;
  readonly #sinks: AuditSinks;
  #periodic: Periodic | undefined;

  constructor(log: Logger, sinks: AuditSinks) {
    this.#log = log;
    this.#sinks = sinks;
  }

  start({ vault, tokens, committer, log, tree }: Unsealed): void {
    const { records, logKeys } = vault;
    this.#sinks.start({ origin: logKeys.origin, source: logSource(tree, log), cursors: cursorStore(records) });
    void this.#periodic?.stop();
    this.#periodic = new Periodic({
      vault,
      tokens,
      committer,
      clock: Date.now,
      onFailure: (err) => this.#log.error({ err }, "periodic work failed, and is tried again"),
    });
    this.#periodic.start();
  }

  async stop(): Promise<void> {
    // Taken first: it may be started anew before this one has ended.
    const periodic = this.#periodic;
    this.#periodic = undefined;
    await Promise.all([periodic?.stop(), this.#sinks.stop()]);
  }
}

/** Hashes and signatures, by which strangers verify the log. What the entries say is in none of them. */
const AUDIT_ACTIONS: readonly string[] = ["audit.checkpoint", "audit.tile", "audit.keys", "audit.consistency"];

/** What the operator opened to callers without a token. */
function publicActions({ metricsPublic, jwksPublic, auditPublic }: Config): PipelineParts["publicActions"] {
  return new Map([
    ...(metricsPublic ? [["system.metrics", "recorded"] as const] : []),
    ...(jwksPublic ? [["keys.get_jwks", "recorded"] as const] : []),
    ...(auditPublic ? AUDIT_ACTIONS.map((action) => [action, "unrecorded"] as const) : []),
  ]);
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
