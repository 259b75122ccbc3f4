import { type DescField, type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "./gen/buf/validate/validate_pb.js";

/** So many are allowed of every request: who gives some that do not belong there is told which, not how many. */
const ALWAYS_ALLOWED = 1_000;

/**
 * How many members a request may have at most in all its objects, lists and maps: as many as its rules allow, or 1,000
 * where that is more.
 * @throws Error that names a list or a map without a rule for how much is in it at most.
 */
export function maxMembers(request: DescMessage): number {
  return Math.max(ALWAYS_ALLOWED, mostMembers(request));
}

/** What is wrong with a field's value when that is a list or a map with too much in it; undefined when nothing is. */
export function overfull(field: DescField, value: unknown): string | undefined {
  if ((field.fieldKind !== "list" && field.fieldKind !== "map") || typeof value !== "object" || value === null) {
    return undefined;
  }
  return tooMany(field, Array.isArray(value) ? value.length : Object.keys(value).length);
}

/** What is wrong with a list or a map that has so much in it, as protovalidate says it; undefined when nothing is. */
export function tooMany(field: DescField, count: number): string | undefined {
  const most = mostIn(field);
  if (count <= most) {
    return undefined;
  }
  return field.fieldKind === "list"
    ? `${field.name}: must contain no more than ${most} item(s)`
    : `${field.name}: map must be at most ${most} entries`;
}

function mostMembers(message: DescMessage): number {
  const alone = message.fields.filter(({ oneof }) => oneof === undefined).map(mostOf);
  const ofOneofs = message.oneofs.map(({ fields }) => Math.max(...fields.map(mostOf)));
  return [...alone, ...ofOneofs].reduce((sum, most) => sum + most, 0);
}

/** Of a field: itself, what it holds, and what is in that. */
function mostOf(field: DescField): number {
  const within = field.message === undefined ? 0 : mostMembers(field.message);
  return field.fieldKind === "list" || field.fieldKind === "map" ? 1 + mostIn(field) * (1 + within) : 1 + within;
}

const MOST = new WeakMap<DescField, number>();

/** Most items of a list, or pairs of a map. */
function mostIn(field: DescField): number {
  const known = MOST.get(field);
  if (known !== undefined) {
    return known;
  }
  const { type } = hasOption(field, fieldRules) ? getOption(field, fieldRules) : {};
  const most = type?.case === "repeated" ? type.value.maxItems : type?.case === "map" ? type.value.maxPairs : 0n;
  if (most === 0n) {
    throw new Error(`${field.parent.typeName}.${field.name}: has no rule for how much is in it at most`);
  }
  MOST.set(field, Number(most));
  return Number(most);
}
