import { defineCommand, option, optionWithHints, optionWithOffers, required } from "../command.ts";
import { parseSeconds } from "../durations.ts";
import { usage } from "../failure.ts";
import { printKey } from "../key-output.ts";
import { KEY_TYPES, PURPOSES } from "../key-types.ts";
import { parseCount } from "../pages.ts";
import { parsePairs, repeatable } from "../pairs.ts";

interface SettingOptions {
  readonly description?: string;
  readonly tag?: readonly string[];
  readonly rotateEvery?: string;
}

const SETTING_OPTIONS = () => [
  option("--description <text>", "For people; not secret"),
  repeatable("--tag <name=value>", "For finding the key; not secret"),
  option("--rotate-every <duration>", "Rotate by itself, for example every 90d; 1h or more"),
];

interface CreateOptions extends SettingOptions {
  readonly type?: string;
  readonly purpose?: string;
  readonly derived?: boolean;
  readonly deterministic?: boolean;
  readonly exportable?: boolean;
  readonly imported?: boolean;
}

/** `bunkms key create` */
export const createCommand = defineCommand<CreateOptions>({
  usage: "create <name>",
  summary: "Create a key with its first version",
  details:
    "The name is 1 to 256 letters, digits, dots, underscores and hyphens. Name, type, purpose, and whether it is derived,\n" +
    "deterministic, exportable or imported never change. bunkms key types lists the types with their purposes;\n" +
    "docs/key-types.md tells all that each can do.",
  options: [
    optionWithOffers(
      "--type <type>",
      `What kind of key; ${KEY_TYPES[0]?.name} by default`,
      KEY_TYPES.map(({ name }) => name),
    ),
    optionWithHints("--purpose <purpose>", "What it is for; the type's first by default", PURPOSES),
    option("--derived", "A key of its own for each --context of its uses, so that one key serves many tenants"),
    option("--deterministic", "Equal plaintexts give equal ciphertexts, to search for them (aes-256-gcm-siv)"),
    option("--exportable", "Its material may leave the vault, wrapped to a public key"),
    option("--imported", "Make no material: the key waits for its import"),
    ...SETTING_OPTIONS(),
  ],
  examples: [
    "bunkms key create invoices",
    "bunkms key create releases --type ecdsa-p256 --description 'Signs what we publish' --tag team=build",
    "bunkms key create tenants --derived --rotate-every 90d",
    "bunkms key create transport --type rsa-3072 --purpose encrypt",
  ],
  async run(invocation) {
    const { options } = invocation;
    const client = await invocation.connect();
    const key = await client.keys.createKey({
      name: required(invocation, 0),
      type: options.type ?? "",
      purpose: options.purpose ?? "",
      derived: options.derived ?? false,
      deterministic: options.deterministic ?? false,
      exportable: options.exportable ?? false,
      imported: options.imported ?? false,
      ...settings(options),
    });
    printKey(invocation, key);
    return 0;
  },
});

interface UpdateOptions extends SettingOptions {
  readonly removeTag?: readonly string[];
  /** False with `--no-rotation`. */
  readonly rotation: boolean;
  readonly minDecryptionVersion?: number;
  readonly minEncryptionVersion?: number;
}

/** `bunkms key update` */
export const updateCommand = defineCommand<UpdateOptions>({
  usage: "update <name>",
  summary: "Change a key's description, tags, rotation or oldest versions in use",
  details: "What is not given stays as it is. Oldest versions can be lowered again, too.",
  options: [
    ...SETTING_OPTIONS(),
    repeatable("--remove-tag <name>", "Remove this tag"),
    option("--no-rotation", "No longer rotate by itself").conflicts("rotateEvery"),
    option("--min-decryption-version <number>", "Older versions neither decrypt nor verify").argParser(parseCount),
    option("--min-encryption-version <number>", "Older versions neither encrypt nor sign").argParser(parseCount),
  ],
  examples: [
    "bunkms key update invoices --tag team=billing --remove-tag owner --rotate-every 30d",
    "bunkms key update invoices --min-decryption-version 3",
  ],
  async run(invocation) {
    const { options } = invocation;
    const { minDecryptionVersion, minEncryptionVersion } = options;
    const changes = {
      ...settings(options),
      ...(options.removeTag === undefined ? {} : { removeTags: [...options.removeTag] }),
      ...(options.rotation ? {} : { rotationPeriodSeconds: 0 }),
      ...(minDecryptionVersion === undefined ? {} : { minDecryptionVersion }),
      ...(minEncryptionVersion === undefined ? {} : { minEncryptionVersion }),
    };
    if (Object.keys(changes).length === 0) {
      throw usage("nothing was given to change", 'What can be changed: "bunkms key update --help".');
    }
    const client = await invocation.connect();
    printKey(invocation, await client.keyLife.updateKey({ name: required(invocation, 0), ...changes }));
    return 0;
  },
});

function settings({ description, tag, rotateEvery }: SettingOptions) {
  return {
    ...(description === undefined ? {} : { description }),
    ...(tag === undefined ? {} : { tags: parsePairs(tag, "--tag", "team=build") }),
    ...(rotateEvery === undefined ? {} : { rotationPeriodSeconds: parseSeconds(rotateEvery, "--rotate-every") }),
  };
}
