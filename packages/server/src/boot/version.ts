import manifest from "../../package.json" with { type: "json" };

/** The server's version. */
export const VERSION: string = manifest.version;
