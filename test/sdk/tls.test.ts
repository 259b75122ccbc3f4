import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createSecureServer, type ServerHttp2Stream } from "node:http2";
import { createServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createServer as createRawServer } from "node:tls";
import { ConnectionError, createClient, type TlsOptions, UnexpectedAnswerError } from "@bunkms/client";
import { startServer, type TestServer } from "../harness/server.ts";
import { makeAuthority } from "../requirements/certificates.ts";

const folder = mkdtempSync(join(tmpdir(), "bunkms-sdk-tls-"));

let server: TestServer;
let [ca, stranger] = ["", ""];
let certificate: TlsOptions;
/** The servers'. */
let own: { readonly cert: Buffer; readonly key: Buffer };
/** Ask for a certificate of the authority's, and answer each call with nothing. */
const mutual: Server[] = [];

before(async () => {
  const authority = await makeAuthority(folder);
  [ca, stranger] = [authority.pem, (await makeAuthority(folder, "stranger")).pem];
  const [servers, clients] = [await authority.issue("server"), await authority.issue("client")];
  certificate = { cert: readFileSync(clients.cert, "utf8"), key: readFileSync(clients.key, "utf8") };
  server = await startServer({ env: { BUNKMS_TLS_CERT: servers.cert, BUNKMS_TLS_KEY: servers.key } });
  own = { cert: readFileSync(servers.cert), key: readFileSync(servers.key) };
  const options = { ca, ...own, requestCert: true };
  const grpc = createSecureServer(options);
  grpc.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.alloc(5));
  });
  mutual.push(
    createServer(options, (_request, response) => response.end("{}")),
    grpc,
  );
  await Promise.all(mutual.map((one) => new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve))));
});

after(async () => {
  for (const one of mutual) {
    one.close();
  }
  await server?.remove();
  rmSync(folder, { recursive: true });
});

/** Both ways to the server that is tested. */
const WAYS = {
  REST: () => server.url,
  gRPC: () => `grpcs://${server.grpcAddr}`,
} as const;

for (const [way, url] of Object.entries(WAYS)) {
  describe(`TLS over ${way}`, () => {
    test("trusts the authority that is given", async () => {
      const client = createClient({ url: url(), token: server.rootToken, tls: { ca } });
      assert.equal((await client.tokens.getSelf({})).role, "root");
      assert.equal((await client.ready()).ok, true);
      await assert.rejects(client.keys.getKey({ name: "none" }), { code: "not_found" });
      await assert.rejects(client.tokens.getSelf({}, { signal: AbortSignal.abort(new Error("no")) }), /^Error: no$/);
      client.close();
    });

    test("trusts no other, sends no token there, and does not try again", async () => {
      let asked = 0;
      const token = () => {
        asked += 1;
        return server.rootToken;
      };
      for (const tls of [undefined, { ca: stranger }]) {
        asked = 0;
        const client = createClient({ url: url(), token, ...(tls === undefined ? {} : { tls }) });
        await assert.rejects(client.tokens.getSelf({}), (error) => {
          assert.ok(error instanceof ConnectionError, String(error));
          assert.match(error.message, /its certificate is (of an unknown authority|signed by itself)/);
          return true;
        });
        assert.equal(asked, 1);
        client.close();
      }
    });
  });
}

test("REQ-37: an answer without an end is not read on and on", async () => {
  let isOpen = true;
  const endless = createServer(own, (_request, response) => {
    response.on("close", () => {
      isOpen = false;
    });
    const write = (): void => {
      while (isOpen && response.write(Buffer.alloc(1024 * 1024))) {}
    };
    response.on("drain", write);
    write();
  });
  mutual.push(endless);
  await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(endless.address() as AddressInfo).port}`;
  const client = createClient({ url, token: "bkms_x", tls: { ca, ...certificate }, retry: false, timeoutMs: 20_000 });
  await assert.rejects(client.tokens.getSelf({}), /the connection failed/);
});

test("an answer that no server may give fails its call, and neither ends the process nor is waited for", async () => {
  let answer = "";
  const raw = createRawServer(own, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(answer));
  });
  mutual.push(raw);
  await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(raw.address() as AddressInfo).port}`;
  const client = createClient({ url, token: "bkms_x", tls: { ca }, retry: false });
  for (const [given, error] of [
    ["205 Reset Content\r\ncontent-length: 2\r\n\r\n{}", UnexpectedAnswerError],
    ["304 Not Modified\r\n\r\n", ConnectionError],
    ["600 Beyond\r\ncontent-length: 2\r\n\r\n{}", ConnectionError],
    ["101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", ConnectionError],
    ["200 OK\r\ncontent-length: 20\r\n\r\n{}", ConnectionError],
  ] as const) {
    answer = `HTTP/1.1 ${given}`;
    await assert.rejects(client.tokens.getSelf({}), error, given);
  }
});

test("a client shows its certificate where it is asked for one, and is refused without, over REST and gRPC", async () => {
  for (const [at, scheme] of ["https", "grpcs"].entries()) {
    const url = `${scheme}://127.0.0.1:${((mutual[at] as Server).address() as AddressInfo).port}`;
    const call = async (tls: TlsOptions) => {
      const client = createClient({ url, token: "bkms_x", tls, retry: false });
      await client.tokens.getSelf({}).finally(() => client.close());
    };
    await call({ ca, ...certificate });
    await assert.rejects(call({ ca }), ConnectionError);
  }
});
