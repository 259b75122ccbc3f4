// What the unit tests of this package stand on: a server that answers what it is told, and a terminal that is none.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Io } from "./io.ts";
import { run } from "./run.ts";

/** A request as the fake server got it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

/** Answers by method and path, for example `GET /v1/keys/a`; a function is asked each time. */
export type Answers = Readonly<Record<string, Answer | ((request: SeenRequest) => Answer | Promise<Answer>)>>;
type Answer = readonly [status: number, body: unknown];

/** A server on a free loopback port; what it is not told about, it has not. */
export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  readonly seen: SeenRequest[];
}

/** Certificate and private key, PEM. */
export interface TlsIdentity {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Starts a fake server; with TLS if it has an identity. */
export async function fakeServer(answers: Answers, identity?: TlsIdentity): Promise<FakeServer> {
  const seen: SeenRequest[] = [];
  const listener: RequestListener = async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk as Buffer);
    }
    const { method = "", url = "", headers } = request;
    const one = { method, url, authorization: headers.authorization, body: Buffer.concat(chunks).toString() };
    seen.push(one);
    const known = answers[`${method} ${url.split("?", 1)[0]}`];
    const [status, body] = (typeof known === "function" ? await known(one) : known) ?? errorAnswer(404, "not_found");
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
  const server = identity === undefined ? createServer(listener) : createTlsServer(identity, listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http${identity === undefined ? "" : "s"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The API's error body. */
export function errorAnswer(status: number, code: string): Answer {
  return [status, { error: `text of ${code}`, code, request_id: "req-1" }];
}

/** What one command line did. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
}

/** The world that a command line is run in. */
export interface World {
  readonly stdin?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether standard input and output are a terminal. */
  readonly terminal?: boolean;
}

/** Makes such a world, with a buffer of what is written. */
export function fakeIo(world: World = {}): { readonly io: Io; outcome(code: number): Outcome } {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const stdin = (async function* () {
    yield Buffer.from(world.stdin ?? "");
  })();
  const isTTY = world.terminal ?? false;
  const io: Io = {
    stdin: Object.assign(stdin, { isTTY, setRawMode: () => {} }),
    stdout: { isTTY, write: (chunk) => out.push(Buffer.from(chunk)) },
    stderr: { isTTY, write: (chunk) => err.push(Buffer.from(chunk)) },
    env: world.env ?? {},
    now: () => new Date("2026-02-03T04:05:06Z"),
  };
  const outcome = (code: number) => {
    const bytes = Buffer.concat(out);
    return { code, bytes, stdout: bytes.toString(), stderr: Buffer.concat(err).toString() };
  };
  return { io, outcome };
}

/** Runs a command line against a server, with a token from the environment unless the world says otherwise. */
export async function runLine(argv: readonly string[], url: string, world: World = {}): Promise<Outcome> {
  const env = { BUNKMS_URL: url, BUNKMS_TOKEN: "bkms_t", XDG_CONFIG_HOME: "/nonexistent", ...world.env };
  const { io, outcome } = fakeIo({ ...world, env });
  return outcome(await run(argv, io));
}

/** A folder of its own that goes away with its scope. */
export function temporaryFolder(): Disposable & { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), "bunkms-cli-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Runs a command line against the test's server. */
type Run = (argv: readonly string[], world?: World) => Promise<Outcome>;

/** What a test in a folder has. */
interface FolderTest {
  readonly run: Run;
  /** A file's path in the folder. */
  path(file: string): string;
  readonly server: FakeServer;
}

/** Makes tests that have a server and a folder each, for as long as they run. */
export function testsInFolder(
  startServer: () => Promise<FakeServer>,
): (name: string, body: (given: FolderTest) => Promise<void>) => void {
  return (name, body) =>
    void test(name, async () => {
      using folder = temporaryFolder();
      await using server = await startServer();
      await body({
        run: (argv, world) => runLine(argv, server.url, world),
        path: (file) => join(folder.path, file),
        server,
      });
    });
}
