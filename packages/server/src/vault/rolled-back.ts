/** The vault's data are not those that were last written: an old copy, or somebody changed them. */
export class VaultRolledBack extends Error {
  constructor(what: string, advice = "restore the newest copy") {
    super(`${what}: the data folder holds older or changed records; ${advice}. Nothing was changed`);
    this.name = "VaultRolledBack";
  }
}
