import { type DescField, type DescMessage, getOption, hasOption, type Message } from "@bufbuild/protobuf";
import { isReflectList, isReflectMessage, type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import {
  BytesRulesSchema,
  type FieldRules,
  FieldRulesSchema,
  field as fieldRules,
  MapRulesSchema,
  message as messageRules,
  oneof as oneofRules,
  RepeatedRulesSchema,
  StringRulesSchema,
  UInt32RulesSchema,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { overfull } from "@bunkms/contract";

/**
 * Whether a message, or a value in it, certainly keeps the contract's rules. False says nothing: then protovalidate
 * decides, and says what is wrong. So a rule that is not known here costs time and never lets anything through.
 */
type Certainly<T> = (value: T) => boolean;

/** What one validation rule asks of a value. */
type RuleTable<T> = Readonly<Record<string, (rule: never) => Certainly<T>>>;

type Values = Readonly<Record<string, unknown>>;

// The rules count characters as code points, and bytes of UTF-8: a code point is one or two of a text's units, and a unit
// is at most three bytes.
const STRING_RULES: RuleTable<string> = {
  pattern: (pattern: string) => {
    const expression = expressionOf(pattern);
    return (text) => expression.test(text);
  },
  min_len: (least: bigint) => (text) => text.length >= 2 * Number(least) - 1,
  max_len: (most: bigint) => (text) => text.length <= Number(most),
  max_bytes: (most: bigint) => (text) => text.length * 3 <= Number(most) || Buffer.byteLength(text) <= Number(most),
  in: (allowed: readonly string[]) => (text) => allowed.includes(text),
};
const BYTES_RULES: RuleTable<Uint8Array> = {
  min_len: (least: bigint) => (bytes) => bytes.length >= Number(least),
  max_len: (most: bigint) => (bytes) => bytes.length <= Number(most),
};
const UINT32_RULES: RuleTable<number> = {
  gte: (least: number) => (value) => value >= least,
  lte: (most: number) => (value) => value <= most,
  in: (allowed: readonly number[]) => (value) => allowed.includes(value),
};
const LIST_RULES: RuleTable<readonly unknown[]> = {
  min_items: (least: bigint) => (items) => items.length >= Number(least),
  max_items: (most: bigint) => (items) => items.length <= Number(most),
  items: (rules: FieldRules) => everyOne(valueCheck(rules)),
};
const MAP_RULES: RuleTable<Values> = {
  min_pairs: (least: bigint) => (map) => Object.keys(map).length >= Number(least),
  max_pairs: (most: bigint) => (map) => Object.keys(map).length <= Number(most),
  keys: (rules: FieldRules) => {
    const check = valueCheck(rules);
    return (map) => Object.keys(map).every(check);
  },
  values: (rules: FieldRules) => {
    const check = valueCheck(rules);
    return (map) => Object.values(map).every(check);
  },
};

const PATTERNS = new Map<string, RegExp>();

/**
 * The contract's own patterns by the engine's RegExp: protovalidate interprets them as RE2, at 5 µs a request. They are
 * of the syntax that both have in common, and none backtracks.
 */
export function matches(pattern: string, text: string): boolean {
  return expressionOf(pattern).test(text);
}

function expressionOf(pattern: string): RegExp {
  let expression = PATTERNS.get(pattern);
  if (expression === undefined) {
    expression = new RegExp(pattern, "u");
    PATTERNS.set(pattern, expression);
  }
  return expression;
}

const CHECKS = new WeakMap<DescMessage, Certainly<Message>>();

/**
 * Whether a request certainly keeps the contract's rules. Protovalidate makes two kilobytes of objects for each item of a
 * batch, to say where a rule is broken should it be; here nothing is made.
 */
export function isCertainlyValid(schema: DescMessage, message: Message): boolean {
  let check = CHECKS.get(schema);
  if (check === undefined) {
    check = messageCheck(schema);
    CHECKS.set(schema, check);
  }
  return check(message);
}

/**
 * The first list or map of a request that has more in it than its rule allows, as protovalidate says it; undefined when there is none.
 * To look for what is wrong with each of half a million items would take seconds.
 */
export function firstOverfull(schema: DescMessage, message: Message): string | undefined {
  for (const field of schema.fields) {
    const tooMuch = overfull(field, (message as unknown as Values)[field.localName]);
    if (tooMuch !== undefined) {
      return tooMuch;
    }
  }
  return undefined;
}

function messageCheck(schema: DescMessage): Certainly<Message> {
  if (hasOption(schema, messageRules)) {
    return never;
  }
  const own = schema.fields.filter((field) => field.oneof === undefined).flatMap(fieldCheck);
  const oneofs = schema.oneofs.map((oneof) => {
    const required = hasOption(oneof, oneofRules) && getOption(oneof, oneofRules).required;
    const checks = new Map(oneof.fields.map((field) => [field.localName, all(valueChecks(field))]));
    return (values: Values) => {
      const { case: name, value } = values[oneof.localName] as { readonly case?: string; readonly value?: unknown };
      return name === undefined ? !required : checks.get(name)?.(value) === true;
    };
  });
  return all([...own, ...oneofs]) as Certainly<unknown> as Certainly<Message>;
}

/** The check of a field in its message; none where there is nothing to check. */
function fieldCheck(field: DescField): readonly Certainly<Values>[] {
  const checks = valueChecks(field);
  if (checks.length === 0) {
    return [];
  }
  const check = all(checks);
  const { localName } = field;
  // What may be absent has no rules then.
  const mayBeAbsent = field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  return [(values) => (values[localName] === undefined ? mayBeAbsent : check(values[localName]))];
}

/** The checks of a field's value. */
function valueChecks(field: DescField): readonly Certainly<unknown>[] {
  const checks: Certainly<unknown>[] = [];
  if (hasOption(field, fieldRules)) {
    checks.push(valueCheck(getOption(field, fieldRules)));
  }
  const { message } = field;
  if (message !== undefined) {
    const inner: Certainly<unknown> = (value) => isCertainlyValid(message, value as Message);
    checks.push(field.fieldKind === "list" ? everyOne(inner) : field.fieldKind === "message" ? inner : never);
  }
  return checks;
}

function valueCheck(rules: FieldRules): Certainly<unknown> {
  const { type } = rules;
  if (setFields(reflect(FieldRulesSchema, rules)).some((field) => field.oneof !== FieldRulesSchema.oneofs[0])) {
    return never;
  }
  switch (type.case) {
    case "string":
      return ruleChecks(reflect(StringRulesSchema, type.value), STRING_RULES);
    case "bytes":
      return ruleChecks(reflect(BytesRulesSchema, type.value), BYTES_RULES);
    case "uint32":
      return ruleChecks(reflect(UInt32RulesSchema, type.value), UINT32_RULES);
    case "repeated":
      return ruleChecks(reflect(RepeatedRulesSchema, type.value), LIST_RULES);
    case "map":
      return ruleChecks(reflect(MapRulesSchema, type.value), MAP_RULES);
    default:
      return never;
  }
}

function ruleChecks<T>(rules: ReflectMessage, table: RuleTable<T>): Certainly<unknown> {
  if ((rules.message.$unknown?.length ?? 0) > 0) {
    return never;
  }
  const checks = setFields(rules).map((field) => {
    const rule = Object.hasOwn(table, field.name) ? table[field.name] : undefined;
    return rule?.(plain(rules.get(field)) as never) ?? never;
  });
  return all(checks) as Certainly<unknown>;
}

function setFields(rules: ReflectMessage): readonly DescField[] {
  return rules.fields.filter((field) => rules.isSet(field));
}

/** A rule's value without its reflection. */
function plain(value: unknown): unknown {
  return isReflectMessage(value) ? value.message : isReflectList(value) ? [...value] : value;
}

function everyOne(check: Certainly<unknown>): Certainly<unknown> {
  return (items) => (items as readonly unknown[]).every(check);
}

function all<T>(checks: readonly Certainly<T>[]): Certainly<T> {
  return (value) => {
    for (const check of checks) {
      if (!check(value)) {
        return false;
      }
    }
    return true;
  };
}

const never = (): boolean => false;
