import { type GenerateRootTokenResponse, messageToJson } from "@bunkms/client";
import { defineCommand, type Invocation, option } from "../command.ts";
import { refuseExposed, resolveUrl } from "../connection.ts";
import { withAdvice } from "../exit-codes.ts";
import { formatTime, printFields, printJson, printLine, printNote } from "../output.ts";
import { keepRootToken } from "../root-token.ts";
import { readShare, refuseShareAsFile } from "../share-input.ts";

interface GenerateRootOptions {
  readonly attempt?: string;
  readonly login?: boolean;
}

/** `bunkms operator generate-root` */
export const generateRootCommand = defineCommand<GenerateRootOptions>({
  usage: "generate-root [share-file]",
  summary: "Offer a share for a new root token, which whoever offers the last one gets",
  details:
    "For an open vault whose root token is lost or has expired. The first share begins an attempt and prints its id, which\n" +
    "the next ones need. The share comes from a hidden prompt, from standard input or from the file. Needs no token. The\n" +
    "new token alone goes to standard output, and expires after an hour.",
  options: [
    option("--attempt <id>", "The attempt that the share is for; without it, the share begins one"),
    option("--login", "Remember the root token as bunkms login does, and do not print it"),
  ],
  examples: [
    "bunkms operator generate-root",
    "bunkms operator generate-root --attempt 0123456789abcdef0123456789abcdef share-2.txt --login",
  ],
  async run(invocation) {
    const { args, io, options } = invocation;
    refuseShareAsFile(args[0]);
    refuseExposed(await resolveUrl(io, options), "somebody could read the share and the token");
    const { seals } = await invocation.connectWithoutToken();
    const key = await readShare(io, args[0]);
    const request = { key, attempt: options.attempt ?? "" };
    const answer = await seals.generateRootToken(request).catch((error: unknown) => {
      throw withAdvice(error, { invalid_request: "Begin another: the same command without --attempt." });
    });
    return answer.rootToken === "" ? showProgress(invocation, answer) : await handOver(invocation, answer);
  },
});

function showProgress({ io, options }: Invocation, answer: GenerateRootTokenResponse): 0 {
  if (options.json) {
    printJson(io, messageToJson(answer));
    return 0;
  }
  printFields(io, [
    ["attempt", answer.attempt],
    ["progress", `${answer.progress} of ${answer.required}`],
  ]);
  printNote(io, `The next share: bunkms operator generate-root --attempt ${answer.attempt}`);
  return 0;
}

async function handOver(
  { io, options }: Invocation<GenerateRootOptions>,
  answer: GenerateRootTokenResponse,
): Promise<0 | 7> {
  const url = await resolveUrl(io, options);
  const isKept = options.login === true && (await keepRootToken(io, url, answer.rootToken));
  if (options.json) {
    const { root_token, ...rest } = messageToJson(answer) as Record<string, unknown>;
    printJson(io, isKept ? rest : { ...rest, root_token });
  } else {
    printLine(io, isKept ? `Logged in at ${url} as root.` : answer.rootToken);
    printNote(io, `The root token expires at ${formatTime(answer.expiresAt)}.`);
  }
  return isKept === (options.login ?? false) ? 0 : 7;
}
