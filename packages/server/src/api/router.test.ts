import assert from "node:assert/strict";
import { test } from "node:test";
import { getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { BunkmsError, type PathSegment, readOperations } from "@bunkms/contract";
import { Router } from "./router.ts";

const router = new Router(readOperations());

function found(method: string, path: string): { action: string; values: Record<string, string> } {
  const route = router.find(method, path);
  if (route.operation instanceof BunkmsError) {
    return { action: route.operation.code, values: {} };
  }
  return { action: route.operation.action, values: Object.fromEntries(route.path) };
}

test("every operation is found by its own template", () => {
  for (const { route, action } of readOperations()) {
    const path = route.template.replaceAll(/\{[^}]*\}/g, "name");
    assert.equal(found(route.method, path).action, action);
  }
});

test("fixed text goes before a variable", () => {
  assert.equal(found("GET", "/v1/tokens/self").action, "tokens.get_self");
  assert.equal(found("DELETE", "/v1/tokens/self").action, "method_not_allowed");
});

/** A template's segments, with another's fixed text for its variables where it has some; undefined where a rule forbids that. */
function filled(segments: readonly PathSegment[], others: readonly PathSegment[]): readonly string[] | undefined {
  const texts = others.map((other) => (other.kind === "text" ? other.text : "1"));
  const values = segments.map((segment, i) =>
    segment.kind === "text" ? segment.text : segment.kind === "one" ? (texts[i] ?? "1") : texts.slice(i).join("/"),
  );
  return segments.every((segment, i) => segment.kind === "text" || isAllowed(segment, values[i] as string))
    ? values
    : undefined;
}

function isAllowed({ field }: Exclude<PathSegment, { kind: "text" }>, value: string): boolean {
  const { type } = hasOption(field, fieldRules) ? getOption(field, fieldRules) : {};
  return type?.case === "string" ? new RegExp(type.value.pattern, "u").test(value) : /^[0-9]+$/.test(value);
}

test("no template's fixed text keeps a name from being reached that another's rule allows", () => {
  const operations = readOperations();
  for (const { route, action } of operations) {
    for (const other of operations) {
      const values = filled(route.segments, other.route.segments);
      if (values !== undefined) {
        assert.equal(found(route.method, `/${values.join("/")}`).action, action, `/${values.join("/")}`);
      }
    }
  }
});

test("the rest of a path is one value, its segments decoded once each", () => {
  assert.deepEqual(found("GET", "/v1/secrets/a/b/c"), { action: "secrets.get", values: { name: "a/b/c" } });
  assert.deepEqual(found("GET", "/v1/secrets/a%2Fb"), { action: "secrets.get", values: { name: "a/b" } });
  assert.deepEqual(found("GET", "/v1/keys/%61"), { action: "keys.get", values: { name: "a" } });
  assert.deepEqual(found("GET", "/v1/keys/%2561"), { action: "keys.get", values: { name: "%61" } });
});

test("an encoded slash does not make another path", () => {
  assert.equal(found("POST", "/v1/keys/a%2Frotate").action, "method_not_allowed");
  assert.deepEqual(found("GET", "/v1/keys/a%2Frotate"), { action: "keys.get", values: { name: "a/rotate" } });
  assert.equal(found("GET", "/v1%2Fkeys").action, "unknown_operation");
});

test("REQ-22, CVE-2026-63131: empty segments, trailing slashes and paths without a leading slash lead nowhere", () => {
  for (const path of [
    "",
    "v1/keys",
    "//v1/keys",
    "/v1//keys",
    "/v1/keys/",
    "/v1/secrets/",
    "/v1/secrets/a/",
    "/v1/secrets//a",
    "/",
    "*",
    "http://x/v1/keys",
    "/v1/keys/%",
    "/v1/keys/%c0%af",
    "/v1/keys/%zz",
  ]) {
    assert.equal(found("GET", path).action, "unknown_operation", path);
  }
});

test("another case is another path", () => {
  for (const path of ["/V1/keys", "/v1/Keys", "/v1/keys/a/Rotate"]) {
    assert.equal(found("POST", path).action, "unknown_operation", path);
  }
});

test("a path that exists with other methods names them", () => {
  const route = router.find("PATCH", "/v1/keys");
  assert.ok(route.operation instanceof BunkmsError);
  assert.equal(route.operation.code, "method_not_allowed");
  assert.deepEqual([...route.allow].sort(), ["GET", "POST"]);
});
