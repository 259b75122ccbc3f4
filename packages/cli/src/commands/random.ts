import { defineCommand, option } from "../command.ts";
import { OUT_OPTIONS } from "../inputs.ts";
import { openOut } from "../out-file.ts";
import { type BytesOptions, printLine, printMessage, writeBytes } from "../output.ts";
import { parseCount } from "../pages.ts";

/** `bunkms random` */
export const randomCommand = defineCommand<BytesOptions & { readonly bytes?: number }>({
  usage: "random",
  summary: "Get random bytes",
  details: "Prints them as one line of base64; --raw and --out give the bytes themselves.",
  options: [
    option("--bytes <count>", "How many, up to 1024; 32 by default").argParser(parseCount),
    ...OUT_OPTIONS().slice(0, 1),
    option("--raw", "The bytes themselves, not base64"),
  ],
  examples: ["bunkms random", "bunkms random --bytes 16 --out salt.bin"],
  async run(invocation) {
    const { io, options } = invocation;
    const client = await invocation.connect();
    await using file = await openOut(options);
    const answer = await client.system.generateRandom({ bytes: options.bytes ?? 0 });
    if (options.json) {
      printMessage(io, answer);
    } else if (options.raw || file !== undefined) {
      await writeBytes(io, answer.randomB64, file, options);
    } else {
      printLine(io, Buffer.from(answer.randomB64).toString("base64"));
    }
    return 0;
  },
});
