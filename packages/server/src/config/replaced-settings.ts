/** Settings of the BunKMS written in Go that this server does not have, and what to do in their place. */
export const REPLACED_SETTINGS: ReadonlyMap<string, string> = new Map([
  [
    "BUNKMS_AUDIT_LOG",
    "use BUNKMS_AUDIT_FILE, whose lines have another form, with a new file outside of the data folder",
  ],
  ["BUNKMS_BUFFER_POOL_SIZE", "leave it out: the store here is SQLite (BUNKMS_STORE), which sizes its cache by itself"],
  ["BUNKMS_SHARDS", "leave it out: the store here is SQLite (BUNKMS_STORE), which has no shards"],
]);

/** Why a variable is refused that only the other BunKMS has; undefined for any other. */
export function replacedSetting(variable: string): string | undefined {
  const instead = REPLACED_SETTINGS.get(variable);
  return instead && `${variable}: is a setting of the BunKMS written in Go; ${instead}`;
}
