/**
 * Given to a process by `--import`: appends each module that it loads to the file that BUNKMS_TEST_MODULES names, and at its
 * end the parts of Node itself, which nothing else tells of, as Node lists them (`NativeModule http`).
 */
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

const PATH = process.env["BUNKMS_TEST_MODULES"] as string;

registerHooks({
  load(url, context, next) {
    appendFileSync(PATH, `${url}\n`);
    return next(url, context);
  },
});
process.on("exit", () => {
  // Not declared, and not documented: whoever reads it should look that what must be in it is.
  const { moduleLoadList } = process as unknown as { readonly moduleLoadList: readonly string[] };
  appendFileSync(PATH, `${moduleLoadList.join("\n")}\n`);
});
