/** Prints the functions of a CPU profile that took most time themselves: `node bench/top-functions.ts FILE [COUNT]`. */
import { readFile } from "node:fs/promises";

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const [file = "", count = "10"] = process.argv.slice(2);
const profile = JSON.parse(await readFile(file, "utf8")) as Profile;
const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
const self = new Map<string, number>();
let busy = 0;
for (const [i, id] of profile.samples.entries()) {
  const name = names.get(id) ?? "";
  // The latter is the end of the process, most of which is writing the profile.
  if (name !== "(idle)" && name !== "reallyExit") {
    const time = profile.timeDeltas[i] ?? 0;
    busy += time;
    self.set(name, (self.get(name) ?? 0) + time);
  }
}
for (const [name, time] of [...self].sort((a, b) => b[1] - a[1]).slice(0, Number(count))) {
  process.stdout.write(`${((time / busy) * 100).toFixed(1).padStart(5)} %  ${name}\n`);
}

function nameOf({ functionName, url, lineNumber }: Profile["nodes"][number]["callFrame"]): string {
  const place = url.replace(/^.*\/(?=packages\/|node_modules\/)/, "");
  return place === "" ? functionName : `${functionName || "(anonymous)"} ${place}:${lineNumber + 1}`;
}
