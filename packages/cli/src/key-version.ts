import type { Option } from "commander";
import { option } from "./command.ts";
import { parseCount } from "./pages.ts";

/** Of commands that can be about one version of a key or a secret. */
export interface VersionOptions {
  readonly version?: number;
}

/** The declaration of `VersionOptions`. */
export function VERSION_OPTION(description: string): Option {
  return option("--version <number>", description).argParser(parseCount);
}
