import { ConfigError } from "./config-error.ts";
import { HiddenText, hiddenFile } from "./hidden-text.ts";
import { type MasterKey, parseMasterKey, readMasterKeyFile } from "./master-key.ts";
import { requireReadable } from "./private-file.ts";
import { label, type SettingValues } from "./settings.ts";
import type { SealKind } from "./value-type.ts";

/** What the settings say of seals: which there are, and how each is reached. */
export interface SealSettings {
  /** As the operator named them, in his order; undefined when he did not. */
  readonly named: readonly SealKind[] | undefined;
  /** Of seal `env`. */
  readonly masterKey: MasterKey | undefined;
  /** The file with the master key that a rewrap changes to; read then. */
  readonly nextMasterKeyPath: string | undefined;
  /** Of seal `file`. */
  readonly fileKey: MasterKey | undefined;
  readonly pkcs11: Pkcs11Settings | undefined;
  readonly awskms: { readonly keyId: string; readonly region?: string; readonly endpoint?: string } | undefined;
  readonly gcpkms: { readonly keyName: string; readonly endpoint?: string } | undefined;
  readonly azurekv: { readonly keyId: string } | undefined;
  readonly transit: TransitSettings | undefined;
}

/** A token's. */
export interface Pkcs11Settings {
  readonly modulePath: string;
  readonly token: string;
  readonly keyLabel: string;
  readonly keyId?: string;
  readonly mechanism: "aes-gcm" | "aes-kw" | "rsa-oaep" | "rsa-oaep-sha1";
  readonly pin: HiddenText;
}

/** Another vault's. */
export interface TransitSettings {
  readonly address: string;
  readonly key: string;
  readonly mount: string;
  readonly namespace?: string;
  readonly dialect: "vault" | "bunkms";
  readonly token: HiddenText;
  readonly caFile?: string;
}

/**
 * Reads the settings of the seals.
 * @param collect Takes what is wrong, and goes on.
 */
export function readSealSettings(values: SettingValues, collect: <T>(read: () => T) => T | undefined): SealSettings {
  const settings: SealSettings = {
    named: values.seals,
    masterKey: collect(() => readMasterKey(values)),
    nextMasterKeyPath: values.nextMasterKeyFile,
    fileKey: collect(() =>
      values.sealFile === undefined ? undefined : readMasterKeyFile(values.sealFile, label("sealFile")),
    ),
    pkcs11: collect(() => readPkcs11(values)),
    awskms:
      values.awskmsKeyId === undefined
        ? undefined
        : {
            keyId: values.awskmsKeyId,
            ...optional("region", values.awskmsRegion),
            ...optional("endpoint", values.awskmsEndpoint),
          },
    gcpkms:
      values.gcpkmsKey === undefined
        ? undefined
        : { keyName: values.gcpkmsKey, ...optional("endpoint", values.gcpkmsEndpoint) },
    azurekv: values.azurekvKey === undefined ? undefined : { keyId: values.azurekvKey },
    transit: collect(() => readTransit(values)),
  };
  collect(() => refuseUnsettled(settings, values));
  return settings;
}

/** The kinds that there are settings for. Shares need none. */
export function settledKinds(settings: SealSettings): ReadonlySet<SealKind> {
  const { masterKey, fileKey, pkcs11, awskms, gcpkms, azurekv, transit } = settings;
  const settled = { env: masterKey, file: fileKey, pkcs11, awskms, gcpkms, azurekv, transit };
  const kinds = Object.entries(settled).flatMap(([kind, value]) => (value === undefined ? [] : [kind as SealKind]));
  return new Set([...kinds, "shamir"]);
}

/** What `BUNKMS_SEALS` names must have its settings. The master key of development mode is made later. */
function refuseUnsettled(settings: SealSettings, { dev }: SettingValues): void {
  const settled = settledKinds(settings);
  const missing = (settings.named ?? []).filter((kind) => !settled.has(kind) && !(kind === "env" && dev === true));
  if (missing.length > 0) {
    throw new ConfigError([`${label("seals")}: names ${missing.join(", ")}, for which there are no settings`]);
  }
}

function readMasterKey({ masterKey, masterKeyFile }: SettingValues): MasterKey | undefined {
  if (masterKey !== undefined && masterKeyFile !== undefined) {
    throw new ConfigError(["BUNKMS_MASTER_KEY and BUNKMS_MASTER_KEY_FILE are both given; keep one"]);
  }
  if (masterKeyFile !== undefined) {
    return readMasterKeyFile(masterKeyFile, label("masterKeyFile"));
  }
  return masterKey === undefined ? undefined : parseMasterKey(masterKey, label("masterKey"));
}

function readPkcs11(values: SettingValues): Pkcs11Settings | undefined {
  const { pkcs11Module, pkcs11Token, pkcs11Key = "bunkms", pkcs11Mechanism = "aes-gcm" } = values;
  const pin = readHidden(values, "pkcs11Pin", "pkcs11PinFile");
  if (pkcs11Module === undefined && pkcs11Token === undefined && pin === undefined) {
    return undefined;
  }
  if (pkcs11Module === undefined || pkcs11Token === undefined || pin === undefined) {
    throw new ConfigError([
      `${label("pkcs11Module")}, ${label("pkcs11Token")} and ${label("pkcs11PinFile")} go together: give all or none`,
    ]);
  }
  requireReadable(pkcs11Module, label("pkcs11Module"));
  return {
    modulePath: pkcs11Module,
    token: pkcs11Token,
    keyLabel: pkcs11Key,
    mechanism: pkcs11Mechanism,
    pin,
    ...optional("keyId", values.pkcs11KeyId),
  };
}

function readTransit(values: SettingValues): TransitSettings | undefined {
  const { transitAddr, transitKey = "bunkms", transitMount = "transit", transitDialect = "vault" } = values;
  const token = readHidden(values, "transitToken", "transitTokenFile");
  if (transitAddr === undefined && token === undefined) {
    return undefined;
  }
  if (transitAddr === undefined || token === undefined) {
    throw new ConfigError([`${label("transitAddr")} and ${label("transitTokenFile")} go together: give both or none`]);
  }
  if (values.transitCaCert !== undefined) {
    requireReadable(values.transitCaCert, label("transitCaCert"));
  }
  return {
    address: transitAddr,
    key: transitKey,
    mount: transitMount,
    dialect: transitDialect,
    token,
    ...optional("namespace", values.transitNamespace),
    ...optional("caFile", values.transitCaCert),
  };
}

/** A secret that is given by itself or in a file of its owner's alone. @throws ConfigError */
export function readHidden(
  values: SettingValues,
  text: "pkcs11Pin" | "transitToken" | "jwtSecret",
  file: "pkcs11PinFile" | "transitTokenFile" | "jwtSecretFile",
): HiddenText | undefined {
  const value = values[text];
  const path = values[file];
  if (value !== undefined && path !== undefined) {
    throw new ConfigError([`${label(text)} and ${label(file)} are both given; keep one`]);
  }
  if (value !== undefined) {
    return new HiddenText(() => Buffer.from(value));
  }
  if (path === undefined) {
    return undefined;
  }
  return hiddenFile(path, label(file));
}

/** A member that is left out when there is no value for it. */
export function optional<N extends string, T>(name: N, value: T | undefined): { [K in N]?: T } {
  return value === undefined ? {} : ({ [name]: value } as { [K in N]: T });
}
