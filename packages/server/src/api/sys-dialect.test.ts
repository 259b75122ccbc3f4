import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { isSysPath, isVaultsOwn, type SysHealth, sysHealthAnswer, withoutNulls } from "./sys-dialect.ts";

const HEALTH: SysHealth = {
  initialised: true,
  state: "unsealed",
  failing: [],
  cluster: "ab".repeat(16),
  version: "1.2.3",
};

const status = (state: string, query = "", isClosing = false): number => answer(state, query, isClosing).status;

/** @param state `making` is that of a vault whose making waits for a seal. */
function answer(state: string, query = "", isClosing = false): ReturnType<typeof sysHealthAnswer> {
  const initialised = state !== "uninitialised" && state !== "making";
  const health = { ...HEALTH, state: state === "making" ? "waiting" : state, initialised, cluster: "" };
  return sysHealthAnswer(health, query, isClosing);
}

test("each state has the status code of Vault's health path, or the one that the query gives", () => {
  for (const [state, name, usual] of [
    ["uninitialised", "uninitcode", 501],
    ["making", "uninitcode", 501],
    ["sealed", "sealedcode", 503],
    ["waiting", "sealedcode", 503],
    ["unsealed", "activecode", 200],
    ["degraded", "activecode", 200],
  ] as const) {
    assert.equal(status(state), usual, state);
    assert.equal(status(state, `${name}=299&standbyok=true`), 299, state);
    const others = ["uninitcode", "sealedcode", "activecode"].filter((other) => other !== name);
    assert.equal(status(state, others.map((other) => `${other}=299`).join("&")), usual, state);
  }
});

test("a status code that is none, or that would say something else altogether, is passed over", () => {
  for (const code of ["", "0", "99", "100", "199", "600", "2000", "-200", "2e2", "200 ", "+299", "%32%39", "abc"]) {
    assert.equal(status("sealed", `sealedcode=${code}`), 503, code);
  }
});

test("a server that is closing is sealed for a load balancer", () => {
  assert.equal(status("unsealed", "", true), 503);
  assert.equal(sysHealthAnswer(HEALTH, "", true).body["sealed"], true);
});

test("the health path tells Vault's fields, and ours", () => {
  const { server_time_utc: time, ...body } = sysHealthAnswer({ ...HEALTH, failing: ["transit"] }, "", false).body;
  assert.ok(Math.abs(Number(time) - Date.now() / 1000) < 5);
  assert.deepEqual(body, {
    initialized: true,
    sealed: false,
    standby: false,
    performance_standby: false,
    replication_performance_mode: "disabled",
    replication_dr_mode: "disabled",
    version: "1.2.3",
    cluster_name: "bunkms",
    cluster_id: "ab".repeat(16),
    state: "unsealed",
    failing_seals: ["transit"],
  });
  for (const [state, told] of [
    ["uninitialised", "uninitialised"],
    ["making", "waiting"],
  ] as const) {
    const none = answer(state).body;
    assert.deepEqual([none["state"], none["initialized"], none["sealed"]], [told, false, true]);
    assert.deepEqual([none["cluster_name"], none["cluster_id"]], ["", ""]);
  }
});

test("only requests below /v1/sys that a browser's page could not send are Vault's own", () => {
  const request = (method: string, headers: IncomingMessage["headers"] = {}) =>
    ({ method, headers }) as IncomingMessage;
  assert.ok(isVaultsOwn(request("PUT"), "/v1/sys/init"));
  assert.ok(isVaultsOwn(request("POST", { "x-vault-request": "true" }), "/v1/sys/unseal"));
  assert.ok(!isVaultsOwn(request("POST"), "/v1/sys/unseal"));
  assert.ok(!isVaultsOwn(request("PUT"), "/v1/keys"));
  for (const path of ["/v1/sys", "/v1/system/", "/v1/SYS/init", "/V1/sys/init"]) {
    assert.ok(!isSysPath(path), path);
  }
});

test("members that are null are not there, and nothing else is changed", () => {
  assert.deepEqual(withoutNulls({ a: null, b: 0, c: "", d: false, e: [null] }), { b: 0, c: "", d: false, e: [null] });
  for (const other of [null, 1, "x", [null]]) {
    assert.deepEqual(withoutNulls(other), other);
  }
});
