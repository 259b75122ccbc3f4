import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { type Message, toJson } from "@bufbuild/protobuf";
import { BunkmsError, ERRORS, type OperationSpec, type RawBody, RawBodySchema, RETRY_AFTER_S } from "@bunkms/contract";
import { isCompactJws } from "../access/compact-jws.ts";
import type { Pipeline } from "../pipeline/pipeline.ts";
import { asRefusal } from "../pipeline/refusal.ts";
import { wipeSecrets } from "../pipeline/secret-fields.ts";
import { discardRest, readBody } from "./body.ts";
import { bodyFromGo, refusalForGo } from "./bunbase-dialect.ts";
import {
  bearerToken,
  checkReceiptWish,
  chooseRequestId,
  idempotencyKey,
  receiptFor,
  vaultToken,
  wholeHeader,
} from "./headers.ts";
import type { Health } from "./health.ts";
import { plainAddress } from "./peer-address.ts";
import { requestFromHttp } from "./rest-request.ts";
import { type Route, Router } from "./router.ts";
import { parseStrictJson } from "./strict-json.ts";
import {
  isSysPath,
  isVaultsOwn,
  SYS_HEALTH_PATH,
  type SysHealth,
  sysHealthAnswer,
  withoutNulls,
} from "./sys-dialect.ts";

// Not imported: see boot/listen.ts.
const { TLSSocket } = process.getBuiltinModule("node:tls");

/** What the REST listener works with. */
interface RestParts {
  readonly pipeline: Pipeline;
  readonly operations: readonly OperationSpec[];
  readonly health: Health;
  /** What `/v1/sys/health` tells. */
  readonly sysHealth: () => SysHealth;
}

const JSON_TYPE = "application/json";
const OPEN_PATHS: readonly string[] = ["/health", "/ready", SYS_HEALTH_PATH];

/** Answers REST calls: translates, and decides nothing. */
export function restListener({ pipeline, operations, health, sysHealth }: RestParts): RequestListener {
  const router = new Router(operations);
  return (request, response) => {
    void answer(request, response);
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = chooseRequestId(request.headers["x-request-id"]);
    const [path = "", query = ""] = splitTarget(request.url ?? "");
    if (OPEN_PATHS.includes(path)) {
      await answerHealth(request, response, path, query, requestId);
      return;
    }
    const route = router.find(request.method ?? "", path);
    const aborted = new AbortController();
    response.on("close", () => {
      if (!response.writableFinished) {
        aborted.abort(new BunkmsError("cancelled"));
      }
    });
    const receiptWish = request.headers["bunkms-receipt"];
    const { receiptHeaders, onReceipt } = receiptFor(receiptWish);
    const authorization = wholeHeader(request.rawHeaders, "authorization") ?? "";
    // Beside a bearer token, however well it is formed, Vault's would be a second; another scheme is a proxy's matter.
    const isVaults = isSysPath(path) && !/bearer /i.test(authorization);
    const token = isVaults ? vaultToken(request.headers["x-vault-token"]) : bearerToken(authorization);
    const dialect = isVaultsOwn(request, path) ? "vault" : isCompactJws(token) ? "go" : "own";
    try {
      const message = await pipeline.run({
        transport: "rest",
        source: plainAddress(request.socket.remoteAddress ?? ""),
        requestId,
        secure: request.socket instanceof TLSSocket,
        token,
        idempotencyKey: idempotencyKey(request.headers["idempotency-key"]),
        operation: route.operation,
        signal: aborted.signal,
        onReceipt,
        readRequest: async (spec) => {
          checkReceiptWish(receiptWish);
          return readRequest(request, spec, route, query, dialect);
        },
      });
      setHeaders(response, receiptHeaders);
      sendMessage(response, requestId, route.operation as OperationSpec, message);
    } catch (error) {
      setHeaders(response, receiptHeaders);
      const refusal = asRefusal(error);
      const { status, body } = dialect === "go" ? refusalForGo(actionOf(route), refusal) : {};
      sendError(request, response, requestId, refusal, route.allow, status, body);
    }
  }

  async function answerHealth(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    query: string,
    requestId: string,
  ): Promise<void> {
    if (request.method !== "GET" && request.method !== "HEAD") {
      sendError(request, response, requestId, new BunkmsError("method_not_allowed"), ["GET", "HEAD"]);
    } else if (path === "/health") {
      send(response, 200, requestId, JSON_TYPE, '{"status":"ok"}');
    } else if (path === SYS_HEALTH_PATH) {
      const { status, body } = sysHealthAnswer(sysHealth(), query, health.closing);
      send(response, status, requestId, JSON_TYPE, JSON.stringify(body));
    } else {
      const refusal = await health.notReady();
      if (refusal === undefined) {
        send(response, 200, requestId, JSON_TYPE, '{"status":"ready"}');
      } else {
        sendError(request, response, requestId, refusal, []);
      }
    }
  }
}

/** Whose client calls: Vault's, the Go BunKMS's, or one of the contract's own. */
type Dialect = "vault" | "go" | "own";

/** Brings a body into the contract's form. */
const DIALECTS: Readonly<Record<Dialect, (json: unknown, spec: OperationSpec) => unknown>> = {
  vault: withoutNulls,
  go: (json, { action }) => bodyFromGo(action, json),
  own: (json) => json,
};

function actionOf({ operation }: Route): string {
  return operation instanceof BunkmsError ? "" : operation.action;
}

/** The target's path and query, as they are. */
function splitTarget(target: string): [string, string] {
  const at = target.indexOf("?");
  return at === -1 ? [target, ""] : [target.slice(0, at), target.slice(at + 1)];
}

async function readRequest(
  request: IncomingMessage,
  spec: OperationSpec,
  route: Route,
  query: string,
  dialect: Dialect,
): Promise<Message> {
  const body = await readBody(request, spec.route.hasBody ? spec.maxRequestBytes : 0, dialect !== "own");
  // A POST that needs nothing but its path may come without a body.
  const json = spec.route.hasBody && body.length > 0 ? parseStrictJson(body, spec.maxMembers) : {};
  body.fill(0);
  return requestFromHttp(spec, route.path, query, DIALECTS[dialect](json, spec));
}

function sendMessage(response: ServerResponse, requestId: string, spec: OperationSpec, message: Message): void {
  if (spec.method.output.typeName === RawBodySchema.typeName) {
    const raw = message as RawBody;
    if (raw.immutable) {
      response.setHeader("cache-control", "private, max-age=31536000, immutable");
    }
    send(response, spec.route.status, requestId, raw.contentType, Buffer.from(raw.data));
    return;
  }
  const json = toJson(spec.method.output, message as never, { useProtoFieldName: true, alwaysEmitImplicit: true });
  wipeSecrets(spec.method.output, message);
  send(response, spec.route.status, requestId, JSON_TYPE, JSON.stringify(json));
}

function setHeaders(response: ServerResponse, headers: ReadonlyMap<string, string>): void {
  for (const [name, value] of headers) {
    response.setHeader(name, value);
  }
}

function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  error: BunkmsError,
  allow: readonly string[],
  status: number = ERRORS[error.code].http,
  instead?: object,
): void {
  if (error.code === "method_not_allowed" && allow.length > 0) {
    response.setHeader("allow", allow.join(", "));
  }
  if (status === 401) {
    response.setHeader("www-authenticate", "Bearer");
  }
  if (ERRORS[error.code].retryable) {
    response.setHeader("retry-after", String(RETRY_AFTER_S));
  }
  const [path = ""] = splitTarget(request.url ?? "");
  const body = instead ?? {
    error: error.message,
    code: error.code,
    request_id: requestId,
    ...(isSysPath(path) ? { errors: [error.message] } : {}),
  };
  // The whole answer is sent at once, but ended only when the rest of the request was read: at the end Node may close the
  // connection, and a caller who is still writing would lose the answer.
  send(response, status, requestId, JSON_TYPE, JSON.stringify(body), discardRest(request));
}

function send(
  response: ServerResponse,
  status: number,
  requestId: string,
  type: string,
  body: string | Buffer,
  requestRead?: Promise<void>,
): void {
  if (response.destroyed) {
    return;
  }
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    ...(response.hasHeader("cache-control") ? {} : { "cache-control": "no-store" }),
    "x-content-type-options": "nosniff",
    "x-request-id": requestId,
  });
  if (requestRead === undefined) {
    response.end(body);
  } else {
    response.write(body);
    void requestRead.then(() => response.end());
  }
}
