import { EXIT_CODES } from "./exit-codes.ts";

/** The environment that the command line reads. Help and docs/cli.md repeat this table. */
export const ENVIRONMENT = Object.freeze({
  BUNKMS_URL: "address of the server",
  BUNKMS_TOKEN: "the token; prefer a file, because a process's environment is easily shown",
  BUNKMS_TOKEN_FILE: "file with the token, readable by its owner only",
  BUNKMS_CACERT: "certificates (PEM) of the only authorities to trust for https://",
  XDG_CONFIG_HOME: "where the folder bunkms/ with the login lies; ~/.config by default",
  XDG_CACHE_HOME: "where the folder bunkms/ with compiled code lies; ~/.cache by default. It can be deleted",
});

/** How server and token are found, in the order in which they are looked for. */
export const RESOLUTION = Object.freeze([
  "the options --url and --token-file",
  "the environment",
  "the login, bunkms/cli.json, that `bunkms login` writes",
  "the development server's pointer, bunkms/dev.json, that it writes when it starts",
]);

/** What the root help says below the commands. */
export const ROOT_DETAILS = `Server and token are looked for in this order:
${RESOLUTION.map((line, index) => `  ${index + 1}. ${line}\n`).join("")}  A token from the login or the pointer goes only to the server that stands beside it.

Environment:
${aligned(ENVIRONMENT)}
Exit codes:
${aligned(EXIT_CODES)}
Values, tokens, shares and plaintext come from files, standard input or a hidden prompt, never from the command line.
Each command's --help has examples, for instance: bunkms encrypt --help
`;

function aligned(table: Readonly<Record<string, string>>): string {
  const width = Math.max(...Object.keys(table).map((name) => name.length));
  return Object.entries(table)
    .map(([name, text]) => `  ${name.padEnd(width)}  ${text}\n`)
    .join("");
}
