import { BlockList, isIP } from "node:net";
import type { ValueType } from "./value-type.ts";

/** IP addresses, and networks as `ADDRESS/BITS` (RFC 4632 section 3.1, RFC 4291 section 2.3), joined by commas. */
export const NETWORKS: ValueType<BlockList> = {
  placeholder: "IP[/BITS],…",
  rule: "IP addresses or networks such as 172.18.0.0/16, joined by commas",
  parse(text) {
    const list = new BlockList();
    return text.split(",").every((part) => add(list, part.trim())) ? list : undefined;
  },
};

/** Adds one; false for what is none. */
function add(list: BlockList, text: string): boolean {
  const [, address = "", bits] = /^([0-9A-Fa-f.:]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  const version = isIP(address);
  const width = version === 4 ? 32 : 128;
  if (version === 0 || Number(bits ?? width) > width) {
    return false;
  }
  list.addSubnet(address, Number(bits ?? width), version === 4 ? "ipv4" : "ipv6");
  return true;
}
