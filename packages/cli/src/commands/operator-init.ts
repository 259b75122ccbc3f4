import { defineCommand, option } from "../command.ts";
import { refuseExposed, resolveUrl } from "../connection.ts";
import { withAdvice } from "../exit-codes.ts";
import { issuedJson, issueShares, printShares } from "../issued-shares.ts";
import { formatTime, printJson, printNote } from "../output.ts";
import { keepRootToken } from "../root-token.ts";
import { SHARE_OPTIONS, type ShareOptions, shareFields } from "../share-options.ts";

/** `bunkms operator init` */
export const initCommand = defineCommand<ShareOptions & { readonly login?: boolean }>({
  usage: "init",
  summary: "Make the vault, and print its shares and its root token, this once",
  details:
    "With a slot for each seal that the server's settings name (BUNKMS_SEALS), and open. Needs no token. Only where shamir\n" +
    "is among the seals: without it the server makes the vault by itself. Give --shares and --threshold. Whoever loses so\n" +
    "many shares that fewer than the threshold are left loses the vault, unless another seal opens it. Recipients get a\n" +
    "share each, encrypted by age for him alone.",
  options: [...SHARE_OPTIONS(), option("--login", "Remember the root token as bunkms login does, and do not print it")],
  examples: [
    "bunkms operator init --shares 5 --threshold 3",
    "bunkms operator init --shares 5 --threshold 3 --out-folder shares --login",
    "bunkms operator init --threshold 2 --recipients-file holders.txt --out-folder shares",
  ],
  async run(invocation) {
    const { io, options } = invocation;
    const fields = await shareFields(io, options);
    const url = await resolveUrl(io, options);
    refuseExposed(url, "somebody could read the shares and the root token");
    const { seals } = await invocation.connectWithoutToken();
    const issued = await issueShares(options, fields, () =>
      seals.initialise(fields).catch((error: unknown) => {
        throw fields.secretShares > 0 ? error : withAdvice(error, { invalid_request: HOW_MANY });
      }),
    );
    const { rootToken, rootTokenExpiresAt } = issued.answer;
    const isKept = options.login === true && (await keepRootToken(io, url, rootToken));
    if (options.json) {
      const { root_token, ...rest } = issuedJson(issued);
      printJson(io, isKept ? rest : { ...rest, root_token });
    } else {
      const token = isKept ? [] : [["root token", rootToken] as const];
      const expires = formatTime(rootTokenExpiresAt);
      printShares(io, issued, expires === "" ? token : [...token, ["expires", expires]]);
      printNote(io, isKept ? `Logged in at ${url} as root.` : "The root token is not shown again.");
    }
    return issued.failure === undefined && isKept === (options.login ?? false) ? 0 : 7;
  },
});

const HOW_MANY = "Say how many shares there are, and how many open the vault: --shares 5 --threshold 3";
