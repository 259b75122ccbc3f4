/** Given to a process by `--import`: appends each module that it loads to the file that BUNKMS_TEST_MODULES names. */
import { appendFileSync } from "node:fs";
import { registerHooks } from "node:module";

const PATH = process.env["BUNKMS_TEST_MODULES"] as string;

registerHooks({
  load(url, context, next) {
    appendFileSync(PATH, `${url}\n`);
    return next(url, context);
  },
});
