import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { connect as connectHttp2 } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { startServer, type TestServer, withoutSettings } from "../harness/server.ts";
import { type Authority, type CertificateFiles, makeAuthority, replaceFile } from "./certificates.ts";
import { launchServer } from "./launched-server.ts";
import { closeAll, grpcTransport, operationOf, restTransport, type Transport } from "./operation-call.ts";
import { exchange } from "./raw-exchange.ts";

const CLI = join(import.meta.dirname, "..", "..", "packages", "cli", "bin", "bunkms.js");
/** The server looks at its files every 2 seconds; the rest is for a busy machine. */
const RELOAD_MS = 30_000;
const TWO_LOOKS_MS = 4500;

let folder: string;
let authority: Authority;
let served: CertificateFiles;
let server: TestServer;
let transports: readonly Transport[];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "bunkms-tls-"));
  authority = await makeAuthority(folder);
  const first = await authority.issue("first");
  served = { cert: join(folder, "served.pem"), key: join(folder, "served.key") };
  await copyFile(first.cert, served.cert);
  await copyFile(first.key, served.key);
  server = await startServer({ args: ["--tls-cert", served.cert, "--tls-key", served.key] });
  transports = trusting(authority);
});

after(async () => {
  closeAll(transports);
  await server.remove();
  await rm(folder, { recursive: true });
});

/** The two listeners' addresses and what each speaks inside TLS. */
function listeners(): readonly { readonly name: "REST" | "gRPC"; readonly port: number; readonly protocol: string }[] {
  return [
    { name: "REST", port: Number(new URL(server.url).port), protocol: "http/1.1" },
    { name: "gRPC", port: Number(server.grpcAddr.split(":")[1]), protocol: "h2" },
  ];
}

function trusting({ pem }: Authority): readonly Transport[] {
  // By name: grpc-js takes what it connects to as the TLS server name, which must not be an IP address (RFC 6066 section 3).
  const byName = server.grpcAddr.replace("127.0.0.1", "localhost");
  return [restTransport(server.url, { ca: pem }), grpcTransport(byName, { ca: pem })];
}

async function handshake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ host: "127.0.0.1", port, ca: authority.pem, ...options });
  try {
    await once(socket, "secureConnect");
    // With TLS 1.3 a server may still refuse after this side is done.
    socket.on("error", () => {});
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** The common name of the certificate that each listener presents. */
async function presented(): Promise<readonly string[]> {
  return Promise.all(
    listeners().map(async ({ port, protocol }) => {
      const socket = await handshake(port, { ALPNProtocols: [protocol] });
      const { CN } = socket.getPeerCertificate().subject;
      socket.destroy();
      return String(CN);
    }),
  );
}

async function becomesPresented(name: string): Promise<void> {
  const deadline = performance.now() + RELOAD_MS;
  while ((await presented()).some((found) => found !== name) && performance.now() < deadline) {
    await sleep(100);
  }
  assert.deepEqual(await presented(), [name, name]);
}

async function serve({ cert, key }: CertificateFiles): Promise<void> {
  await replaceFile(served.cert, await readFile(cert));
  await replaceFile(served.key, await readFile(key));
}

async function beServed(over: readonly Transport[] = transports): Promise<void> {
  for (const transport of over) {
    const { code, text } = await transport.call(operationOf("tokens.get_self"), {}, { token: server.rootToken });
    assert.equal(code, "ok", `${transport.name}: ${text}`);
  }
}

test("TLS both listeners serve over TLS to who trusts their authority, and negotiate their protocol", async () => {
  assert.match(server.url, /^https:/);
  await beServed();
  assert.deepEqual(await presented(), ["first", "first"]);
  for (const { port, protocol } of listeners()) {
    const socket = await handshake(port, { ALPNProtocols: ["h2", "http/1.1"] });
    assert.equal(socket.alpnProtocol, protocol);
    socket.destroy();
  }
});

test("TLS the CLI works over TLS with the authority's certificate, and not without", async () => {
  const env = { ...withoutSettings(process.env), HOME: folder, XDG_CONFIG_HOME: join(folder, "config") };
  const settings = { BUNKMS_URL: server.url, BUNKMS_TOKEN: server.rootToken };
  const list = (more: Record<string, string>): Promise<unknown> =>
    promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, "key", "list", "--json"], {
      env: { ...env, ...settings, ...more },
      timeout: 20_000,
    });
  await list({ BUNKMS_CACERT: authority.path });
  await assert.rejects(list({}), /certificate/i);
});

test("TLS who trusts another authority gets no answer", async () => {
  const other = trusting(await makeAuthority(folder, "other-authority"));
  for (const transport of other) {
    const { code } = await transport.call(operationOf("tokens.get_self"), {}, { token: server.rootToken });
    assert.equal(code, "no answer");
    transport.close();
  }
});

for (const version of ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] as const) {
  const isOld = version === "TLSv1" || version === "TLSv1.1";
  test(`TLS ${version} is ${isOld ? "refused" : "spoken"} by both listeners`, async () => {
    for (const { name, port, protocol } of listeners()) {
      // Level 0, so that the refusal is the server's, not this side's.
      const options = {
        minVersion: version,
        maxVersion: version,
        ciphers: "DEFAULT@SECLEVEL=0",
        ALPNProtocols: [protocol],
      };
      if (isOld) {
        await assert.rejects(handshake(port, options), /protocol version|ERR_SSL_|ECONNRESET|disconnected/, name);
      } else {
        const socket = await handshake(port, options);
        assert.equal(socket.getProtocol(), version);
        socket.destroy();
      }
    }
    await beServed();
  });
}

test("REQ-37 plaintext and garbage sent to the TLS ports end their connection and harm nobody", async () => {
  for (const { name, port } of listeners()) {
    for (const bytes of [
      "GET /health HTTP/1.1\r\nHost: a\r\n\r\n",
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
      "\x16\x03\x01\xff\xff\xff",
    ]) {
      const { text, closed } = await exchange(`127.0.0.1:${port}`, [bytes, "\0".repeat(20_000)]);
      assert.ok(closed, name);
      assert.doesNotMatch(text, /HTTP\/1\.1 2|status/);
    }
  }
  await beServed();
});

test("TLS a renewed certificate is presented without a restart, and connections of before go on", async () => {
  const rest = await keepAlive();
  const grpc = await session();
  try {
    await serve(await authority.issue("second"));
    await becomesPresented("second");
    // The same connections, whose handshake was with the certificate of before.
    assert.equal(await rest.ask(), "first");
    assert.equal(await grpc.ask(), "first");
    await beServed(transports);
    const fresh = trusting(authority);
    await beServed(fresh);
    for (const transport of fresh) {
      transport.close();
    }
  } finally {
    rest.close();
    grpc.close();
  }
});

interface OldConnection {
  /** Makes a call on this connection. @returns The name on the certificate of its handshake. */
  ask(): Promise<string>;
  close(): void;
}

/** A connection that speaks HTTP/1.1, kept open between calls. */
async function keepAlive(): Promise<OldConnection> {
  const socket = await handshake(Number(new URL(server.url).port));
  const connection: OldConnection = {
    async ask() {
      socket.write(`GET /v1/tokens/self HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.rootToken}\r\n\r\n`);
      const [answer] = (await once(socket, "data", { signal: AbortSignal.timeout(20_000) })) as [Buffer];
      assert.match(answer.toString("latin1"), /^HTTP\/1\.1 200 /);
      return String(socket.getPeerCertificate().subject.CN);
    },
    close: () => socket.destroy(),
  };
  await connection.ask();
  return connection;
}

/** A connection that speaks HTTP/2, kept open between calls. */
async function session(): Promise<OldConnection> {
  const http2 = connectHttp2(`https://${server.grpcAddr}`, { ca: authority.pem }).on("error", () => {});
  const connection: OldConnection = {
    async ask() {
      const stream = http2.request({
        ...{ ":method": "POST", ":path": "/bunkms.v1.TokenService/GetSelf", "content-type": "application/grpc" },
        ...{ te: "trailers", authorization: `Bearer ${server.rootToken}` },
      });
      stream.end(Buffer.alloc(5));
      const [trailers] = await once(stream.resume(), "trailers", { signal: AbortSignal.timeout(20_000) });
      assert.equal(trailers["grpc-status"], "0");
      return String((http2.socket as TLSSocket).getPeerCertificate().subject.CN);
    },
    close: () => http2.destroy(),
  };
  await connection.ask();
  return connection;
}

test("TLS SIGHUP makes the server look for a renewed certificate, also one with another kind of key", async () => {
  await serve(await authority.issue("third", "rsa"));
  process.kill(server.pid, "SIGHUP");
  await becomesPresented("third");
  process.kill(server.pid, "SIGHUP");
  await beServed();
});

test("TLS a pair that does not fit, a broken file and a missing one leave the old certificate in place, and are logged", async () => {
  const right = await authority.issue("fourth");
  const other = await authority.issue("other");
  const otherKind = await authority.issue("other-kind", "rsa");
  const broken: readonly (readonly [what: string, cert: string | Buffer, key: string | Buffer])[] = [
    ["the key of another", await readFile(right.cert), await readFile(other.key)],
    ["a key of another kind", await readFile(right.cert), await readFile(otherKind.key)],
    ["half a certificate", (await readFile(right.cert)).subarray(0, 300), await readFile(right.key)],
    ["an empty key", await readFile(right.cert), ""],
    ["two keys", await readFile(right.key), await readFile(right.key)],
  ];
  for (const [what, cert, key] of broken) {
    const logged = server.output().length;
    await replaceFile(served.cert, cert);
    await replaceFile(served.key, key);
    process.kill(server.pid, "SIGHUP");
    await sleep(500);
    assert.deepEqual(await presented(), ["third", "third"], what);
    assert.match(server.output().slice(logged), /"msg":"the TLS certificate was not reloaded"/, what);
  }
  await rm(served.key);
  await sleep(TWO_LOOKS_MS);
  assert.deepEqual(await presented(), ["third", "third"], "no key");
  await beServed();
  await serve(right);
  await becomesPresented("fourth");
  assert.doesNotMatch(server.output(), /PRIVATE KEY/);
});

test("TLS files that are no certificate with its key stop the start with a reason that names the settings", async () => {
  const [one, other] = [await authority.issue("one"), await authority.issue("another")];
  const otherKind = await authority.issue("another-kind", "rsa");
  const home = await mkdtemp(join(folder, "start-"));
  for (const [cert, key] of [
    [one.cert, other.key],
    [one.cert, otherKind.key],
    [one.key, one.cert],
    [authority.path, one.key],
  ] as const) {
    const args = ["--dev", "--addr", "127.0.0.1:0", "--grpc-addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key];
    const refused = launchServer({ folder: home, args });
    assert.equal(await refused.end(), 1, refused.output());
    assert.match(refused.output(), /--tls-cert, --tls-key: not a PEM certificate and the private key that fits it/);
    assert.doesNotMatch(refused.output(), /^REST/m);
  }
});
