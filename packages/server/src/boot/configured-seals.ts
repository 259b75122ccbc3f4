import { readMasterKeyFile } from "../config/master-key.ts";
import { type Pkcs11Settings, type SealSettings, settledKinds, type TransitSettings } from "../config/seal-settings.ts";
import { label } from "../config/settings.ts";
import type { SealKind } from "../config/value-type.ts";
import { envSeal, fileSeal } from "../seal/env.ts";
import type { Seal } from "../seal/seal.ts";

/** A seal that opens by itself: all but shares. */
export type OwnSealKind = Exclude<SealKind, "shamir">;

/** The seals that there are. */
export interface SealSource {
  /** Those that open by themselves, in the order in which they are tried. */
  readonly kinds: readonly OwnSealKind[];
  /** Those of a new vault's slots. */
  readonly forNewVault: readonly SealKind[];
  has(kind: string): kind is OwnSealKind;
  /** @throws SealUnavailable */
  open(kind: OwnSealKind): Promise<Seal>;
  /**
   * The seal with its newest wrapping key, for a slot to be wrapped anew.
   * @throws ConfigError when the settings name a key that cannot be read; SealUnavailable.
   */
  renew(kind: OwnSealKind): Promise<Seal>;
  /** From now on this seal is the one of its kind. */
  adopt(kind: OwnSealKind, seal: Seal): void;
  close(): Promise<void>;
}

/** The seals that the server has settings for. Each is opened when it is first needed, and kept. */
export class ConfiguredSeals implements SealSource {
  readonly #settings: SealSettings;
  readonly #settled: ReadonlySet<SealKind>;
  readonly #open = new Map<OwnSealKind, Seal>();

  constructor(settings: SealSettings) {
    this.#settings = settings;
    this.#settled = settledKinds(settings);
  }

  /** Those that the operator named, then the others. */
  get kinds(): readonly OwnSealKind[] {
    const named = this.#settings.named ?? [];
    return [...new Set([...named, ...this.#settled])].filter((kind) => kind !== "shamir");
  }

  /** Those that the operator named, else the master key if there is one. */
  get forNewVault(): readonly SealKind[] {
    return this.#settings.named ?? (this.#settled.has("env") ? ["env"] : []);
  }

  has(kind: string): kind is OwnSealKind {
    return kind !== "shamir" && this.#settled.has(kind as SealKind);
  }

  async open(kind: OwnSealKind): Promise<Seal> {
    const known = this.#open.get(kind);
    if (known !== undefined) {
      return known;
    }
    const seal = await this.#make(kind);
    // Two may have been at it.
    const other = this.#open.get(kind);
    if (other !== undefined) {
      await seal.close();
      return other;
    }
    this.#open.set(kind, seal);
    return seal;
  }

  async renew(kind: OwnSealKind): Promise<Seal> {
    const path = this.#settings.nextMasterKeyPath;
    return kind === "env" && path !== undefined
      ? envSeal(readMasterKeyFile(path, label("nextMasterKeyFile")).take())
      : this.open(kind);
  }

  adopt(kind: OwnSealKind, seal: Seal): void {
    this.#open.set(kind, seal);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((seal) => seal.close()));
  }

  /** Code for a seal is loaded only where it is configured. */
  async #make(kind: OwnSealKind): Promise<Seal> {
    const settings = this.#settings;
    switch (kind) {
      case "env":
        return envSeal(given(settings.masterKey, kind).take());
      case "file":
        return fileSeal(given(settings.fileKey, kind).take());
      case "pkcs11":
        return openPkcs11(given(settings.pkcs11, kind));
      case "awskms":
        return (await import("../seal/awskms.ts")).awskmsSeal(given(settings.awskms, kind));
      case "gcpkms":
        return (await import("../seal/gcpkms.ts")).gcpkmsSeal(given(settings.gcpkms, kind));
      case "azurekv":
        return (await import("../seal/azurekv.ts")).azurekvSeal(given(settings.azurekv, kind));
      case "transit":
        return openTransit(given(settings.transit, kind));
    }
  }
}

async function openTransit({ token, ...options }: TransitSettings): Promise<Seal> {
  const { transitSeal } = await import("../seal/transit.ts");
  return transitSeal({
    ...options,
    readToken: async () => {
      const bytes = token.read();
      try {
        return bytes.toString("latin1");
      } finally {
        bytes.fill(0);
      }
    },
  });
}

async function openPkcs11({ modulePath, token, keyLabel, keyId, mechanism, pin }: Pkcs11Settings): Promise<Seal> {
  const { pkcs11Seal } = await import("../seal/pkcs11.ts");
  return pkcs11Seal({
    module: modulePath,
    token,
    keyLabel,
    mechanism,
    readPin: () => pin.read(),
    ...(keyId === undefined ? {} : { keyId }),
  });
}

function given<T>(value: T | undefined, kind: SealKind): T {
  if (value === undefined) {
    throw new Error(`there are no settings for the ${kind} seal`);
  }
  return value;
}
