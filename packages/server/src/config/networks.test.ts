import assert from "node:assert/strict";
import { test } from "node:test";
import { NETWORKS } from "./networks.ts";

test("addresses and networks of both families are read, and nothing beside them is in the list", () => {
  const list = NETWORKS.parse("172.18.0.0/16, 10.0.0.7,2001:db8::/32,::1");
  for (const [address, family, isIn] of [
    ["172.18.255.1", "ipv4", true],
    ["172.19.0.0", "ipv4", false],
    ["10.0.0.7", "ipv4", true],
    ["10.0.0.8", "ipv4", false],
    ["2001:db8:1::5", "ipv6", true],
    ["2001:db9::", "ipv6", false],
    ["::1", "ipv6", true],
    ["::2", "ipv6", false],
  ] as const) {
    assert.equal(list?.check(address, family), isIn, address);
  }
});

test("what is no address or network is refused, whatever stands beside it", () => {
  for (const text of [
    "",
    ",",
    "localhost",
    "10.0.0.1,",
    "10.0.0.1/33",
    "::/129",
    "10.0.0.1/",
    "10.0.0.1/08",
    "10.1/8",
    "*",
  ]) {
    assert.equal(NETWORKS.parse(text), undefined, text);
  }
});
