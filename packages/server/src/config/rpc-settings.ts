import type { BlockList } from "node:net";
import { ConfigError } from "./config-error.ts";
import { label, type SettingValues } from "./settings.ts";
import type { ListenAddress } from "./value-type.ts";

/** What the settings say of the framed RPC, which has no authentication and no TLS. */
export interface RpcSettings {
  readonly address: ListenAddress;
  /** What its callers may read and write: names of secrets, or beginnings of names that end in `*`. */
  readonly secrets: readonly string[];
  /** From where it may be called; undefined: from this machine, on which alone it listens then. */
  readonly clients: BlockList | undefined;
}

/** @throws ConfigError with all that is wrong. */
export function readRpcSettings({
  dev,
  allowPlaintext,
  rpcAddr,
  rpcSecrets,
  rpcClients,
}: SettingValues): RpcSettings | undefined {
  const name = label("rpcAddr");
  if (rpcAddr === undefined) {
    const without = [
      ...(rpcSecrets === undefined ? [] : [label("rpcSecrets")]),
      ...(rpcClients === undefined ? [] : [label("rpcClients")]),
    ];
    if (without.length > 0) {
      throw new ConfigError(without.map((other) => `${other}: there is no ${name} that it is for`));
    }
    return undefined;
  }
  const reasons: string[] = [];
  if (rpcSecrets === undefined) {
    reasons.push(
      `${name}: this port has no authentication; name the secrets that its callers may read and write with ` +
        `${label("rpcSecrets")}, for example tenant_auth.*`,
    );
  }
  if (!rpcAddr.isLoopback && dev === true) {
    reasons.push(`${name}: development mode listens on loopback only; use 127.0.0.1, or production mode`);
  } else if (!rpcAddr.isLoopback) {
    if (rpcClients === undefined) {
      reasons.push(`${name}: is not loopback; list the addresses that may call it with ${label("rpcClients")}`);
    }
    if (allowPlaintext !== true) {
      reasons.push(
        `${name}: is not loopback, and its protocol has no TLS; give ${label("allowPlaintext")} to accept that`,
      );
    }
  }
  if (reasons.length > 0 || rpcSecrets === undefined) {
    throw new ConfigError(reasons);
  }
  return { address: rpcAddr, secrets: rpcSecrets, clients: rpcClients };
}
