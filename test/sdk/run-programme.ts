import { runProgramme } from "./programme.ts";

/** In Node, Deno and Bun: reads the settings from standard input, and writes what came of them. */
const chunks: Uint8Array[] = [];
for await (const chunk of process.stdin) {
  chunks.push(chunk as Uint8Array);
}
const results = await runProgramme(JSON.parse(new TextDecoder().decode(Buffer.concat(chunks))));
process.stdout.write(JSON.stringify(results));
