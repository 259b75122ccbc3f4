import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SealStatusSchema } from "@bunkms/contract";
import type { Introspection } from "./operation.ts";
import type { SealStatusInfo } from "./seal-control.ts";

/** The seal's status as the contract's message, with the fields of Vault's API. */
export function sealStatusMessage(
  status: SealStatusInfo,
  { version, storage }: Pick<Introspection, "version" | "storage">,
): MessageInitShape<typeof SealStatusSchema> {
  return {
    type: status.kind,
    initialized: status.initialised,
    sealed: status.state !== "unsealed" && status.state !== "degraded",
    t: status.threshold,
    n: status.shares,
    progress: status.progress,
    version,
    storageType: storage,
    clusterName: status.cluster === "" ? "" : "bunkms",
    clusterId: status.cluster,
    state: status.state,
    failingSeals: [...status.failing],
  };
}
