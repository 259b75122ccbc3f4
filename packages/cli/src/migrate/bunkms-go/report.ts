import type { Attachment } from "@bunkms/client";
import type { Io } from "../../io.ts";
import { printFields, printJson, printLine, printTable } from "../../output.ts";
import { type GoContents, rfc3339 } from "./contents.ts";
import type { Imported } from "./import.ts";
import type { OldAuditLog } from "./old-audit-log.ts";
import type { Action, Plan } from "./plan.ts";
import type { Verified } from "./verify.ts";

/** What is known before anything is done. */
export interface Preview {
  readonly folder: string;
  readonly contents: GoContents;
  readonly plan: Plan;
  readonly auditLogs: readonly OldAuditLog[];
}

/** What was done. */
export interface Done {
  readonly imported: Imported;
  readonly verified: Verified;
  readonly attachments: readonly Attachment[];
}

/** What signatures of the Go server are worth here. */
export const RSA_NOTE =
  "RSA signatures that the Go server made do not verify here: it signed without naming the hash (no DigestInfo), which " +
  "RFC 8017 does not allow. The keys are carried over, and sign as rsa-pss-sha256 or rsa-pkcs1-sha256 from now on. Keep the " +
  "public keys for verifying old signatures.";

/** Prints the plan for people. */
export function printPlan(io: Io, { folder, contents, plan, auditLogs }: Preview): void {
  const { scan, copies, listed } = contents;
  printFields(io, [
    ["Data", `${folder}: ${scan.pages} pages, ${scan.unwritten} never written, ${scan.records} records`],
    ["Keys", counts(plan.keys)],
    ["Secrets", counts(plan.secrets)],
    ["Copies", `${copies} older records of the same`],
    ...orNone(auditLogs.map(({ size, lines }) => `${size} bytes, ${lines} lines`)),
  ]);
  const rows = [
    ...plan.keys.map(({ item, action, reason = "" }) => [
      item.name,
      item.type,
      String(item.versions.length),
      item.revokedAt === undefined ? "enabled" : "revoked",
      rfc3339(item.createdAt),
      actionText(action, reason),
    ]),
    ...plan.secrets.map(({ item, action, reason = "" }) => [
      item.name,
      "secret",
      "1",
      "",
      rfc3339(item.createdAt),
      actionText(action, reason),
    ]),
  ];
  printTable(io, ["NAME", "TYPE", "VERSIONS", "STATE", "CREATED", "ACTION"], rows);
  printLine(io, listed.length === 0 ? "Everything can be carried over." : "Not carried over, or worth knowing:");
  for (const { kind, name, reason, createdAt, offset } of listed) {
    const where = [createdAt && `created ${createdAt}`, offset === undefined ? undefined : `at byte ${offset}`];
    const place = where.filter((part) => part !== undefined).join(", ");
    printLine(io, `  ${[kind, name].filter((word) => word !== "").join(" ")}: ${reason}${place && ` (${place})`}`);
  }
  if (hasRsa(plan)) {
    printLine(io, `  ${RSA_NOTE}`);
  }
}

/** Prints what was done for people. */
export function printDone(io: Io, { imported, verified, attachments }: Done): void {
  printFields(io, [
    ["Brought in", `${imported.keys} keys, ${imported.secrets} secrets`],
    ["Conflicts", String(imported.conflicts.length)],
    [
      "Verified",
      `${verified.ciphertexts} ciphertexts, ${verified.signatures} signatures, ${verified.secrets} secrets, ` +
        `${verified.samples} samples`,
    ],
    ["Not tried", `${verified.disabled.length} keys, which are disabled`],
    ...orNone(attachments.map(({ name, sha256 }) => `attachment ${name}, sha256 ${sha256}`)),
  ]);
  for (const { kind, name, reason } of [...imported.conflicts, ...verified.mismatches]) {
    printLine(io, `  ${kind} ${name}: ${reason}`);
  }
}

/** Prints plan and, once it was carried out, what was done, as JSON. */
export function printReport(io: Io, { folder, contents, plan, auditLogs }: Preview, done?: Done): void {
  const planned = {
    data: folder,
    ...contents.scan,
    copies: contents.copies,
    keys: plan.keys.map(({ item, action, reason }) => ({
      name: item.name,
      type: item.type,
      state: item.revokedAt === undefined ? "enabled" : "disabled",
      created_at: rfc3339(item.createdAt),
      versions: item.versions.map(({ createdAt }) => rfc3339(createdAt)),
      action,
      reason,
    })),
    secrets: plan.secrets.map(({ item, action, reason }) => ({
      name: item.name,
      created_at: rfc3339(item.createdAt),
      action,
      reason,
    })),
    audit_logs: auditLogs.map(({ path, size, sha256, lines }) => ({ file: path, size, sha256, lines })),
    listed: contents.listed.map(({ createdAt, ...rest }) => ({ ...rest, created_at: createdAt })),
    notes: hasRsa(plan) ? [RSA_NOTE] : [],
  };
  printJson(io, {
    plan: planned,
    ...(done === undefined
      ? {}
      : {
          imported: { keys: done.imported.keys, secrets: done.imported.secrets },
          conflicts: done.imported.conflicts,
          verified: done.verified,
          attachments: done.attachments.map(({ name, size, sha256 }) => ({ name, size, sha256 })),
        }),
  });
}

/** A line for each audit file. */
function orNone(texts: readonly string[]): readonly (readonly [string, string])[] {
  return (texts.length === 0 ? ["none was given"] : texts).map((text) => ["Audit log", text] as const);
}

function counts(planned: readonly { readonly action: Action }[]): string {
  const of = (action: Action): number => planned.filter((one) => one.action === action).length;
  return `${of("import")} to bring in, ${of("there")} there already, ${of("conflict")} in conflict`;
}

function actionText(action: Action, reason: string): string {
  return action === "import" ? "bring in" : action === "there" ? "there already" : `conflict: ${reason}`;
}

function hasRsa({ keys }: Plan): boolean {
  return keys.some(({ item }) => item.type === "rsa-2048");
}
