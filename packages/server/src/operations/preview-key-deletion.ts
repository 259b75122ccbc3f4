import { KeyLifeService } from "@bunkms/contract";
import { keyVersionMessage } from "./key-message.ts";
import { defineOperation } from "./operation.ts";
import { optionalTimestamp } from "./timestamp.ts";

const MOST_ALIASES = 1000;

export const previewKeyDeletion = defineOperation(
  KeyLifeService.method.previewKeyDeletion,
  async ({ vault }, { name }) => {
    const key = await vault.keys.get(name);
    const uses = await vault.usage.of(key.id);
    const aliases = await vault.aliases.list("", key.name, "", MOST_ALIASES);
    const versions = await vault.keys.versions(key);
    const lastUsedAt = Math.max(0, ...[...uses.values()].map((use) => use.lastUsedAt));
    return {
      response: {
        aliases: aliases.map(({ alias }) => alias),
        versions: versions.map((version) => keyVersionMessage(version, uses.get(version.version))),
        ...optionalTimestamp("lastUsedAt", lastUsedAt),
      },
    };
  },
);
