import assert from "node:assert/strict";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { operationOf, type Transport } from "./operation-call.ts";

/**
 * All that root can see of a vault's content: keys with their versions, aliases, secrets with their values, tokens,
 * seal slots, attachments, and that the vault is open. Two
 * of them are equal if nothing has changed in between; how often keys were used is left out.
 */
export async function readContent(transport: Transport, token: string): Promise<JsonObject> {
  const call = async (action: string, request: JsonObject): Promise<JsonObject> => {
    const answer = await transport.call(operationOf(action), request, { token });
    assert.equal(answer.code, "ok", `${action}: ${answer.text}`);
    return answer.value;
  };
  const all = async (action: string, member: string): Promise<JsonObject[]> => {
    const items: JsonObject[] = [];
    let page_token: JsonValue = "";
    do {
      const page: JsonObject = await call(action, { page_size: 1000, page_token });
      items.push(...(page[member] as JsonObject[]));
      page_token = page["next_page_token"] as string;
    } while (page_token !== "");
    return items;
  };
  const keys: JsonObject[] = [];
  for (const { name } of await all("keys.list", "keys")) {
    const key = await call("keys.get", { name: name as string });
    const versions = (key["versions"] as JsonObject[]).map(({ uses: _, last_used_at: __, ...version }) => version);
    keys.push({ ...key, versions });
  }
  const secrets: JsonObject[] = [];
  for (const { name } of await all("secrets.list", "secrets")) {
    const { versions } = await call("secrets.list_versions", { name: name as string });
    secrets.push({ ...(await call("secrets.get", { name: name as string })), versions: versions as JsonValue });
  }
  const listed = (await call("seals.list_slots", {}))["slots"] as JsonObject[];
  // When a slot was last tried is no content.
  const slots = listed.map(({ state: _, ...slot }) => slot);
  const [aliases, tokens] = [await all("aliases.list", "aliases"), await all("tokens.list", "tokens")];
  const attachments = await all("attachments.list", "attachments");
  return { keys, aliases, secrets, tokens, slots, attachments };
}
