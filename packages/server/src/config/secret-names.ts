import type { ValueType } from "./value-type.ts";

const PATTERN = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,255}\*?$/;

/**
 * Names of secrets, joined by commas. One that ends in `*` stands for all that begin so; none stands for every secret, since
 * whoever is given these gives no proof of himself.
 */
export const SECRET_NAMES: ValueType<readonly string[]> = {
  placeholder: "NAME,…",
  rule: "names of secrets joined by commas, each a whole one or the beginning of some and then *, as in tenant_auth.*",
  parse(text) {
    const names = text.split(",").map((name) => name.trim());
    return names.every((name) => PATTERN.test(name)) ? Object.freeze(names) : undefined;
  },
};
