import { createServer, type IncomingMessage, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { CheckResult, ProgrammeSettings } from "./programme.ts";

/** A page whose programme reports, with the API below the same origin. */
export interface BrowserPage {
  readonly url: string;
  /** What the programme reported. */
  readonly report: Promise<readonly CheckResult[]>;
  close(): void;
}

/** Where the API lies on the page's origin. The server answers no other origin's pages: it sends no CORS headers. */
const API = "/kms";

/** Serves a page that runs a script, its settings, and through a proxy the API. */
export async function servePage(script: string, settings: ProgrammeSettings): Promise<BrowserPage> {
  const { promise: report, resolve } = Promise.withResolvers<readonly CheckResult[]>();
  const target = new URL(settings.rest);
  const server: Server = createServer((incoming, response) => {
    const { pathname } = new URL(incoming.url ?? "", "http://page");
    if (pathname === "/") {
      response.setHeader("content-type", "text/html");
      response.end('<!doctype html><meta charset="utf-8"><script type="module" src="/page.js"></script>');
    } else if (pathname === "/page.js") {
      response.setHeader("content-type", "text/javascript");
      response.end(script);
    } else if (pathname === "/settings") {
      response.end(JSON.stringify({ ...settings, rest: API }));
    } else if (pathname === "/report") {
      void readAll(incoming).then((text) => {
        response.end();
        resolve(JSON.parse(text) as readonly CheckResult[]);
      });
    } else if (pathname.startsWith(`${API}/`)) {
      const path = (incoming.url ?? "").slice(API.length);
      const { method, headers } = incoming;
      const onward = request({ host: target.hostname, port: target.port, path, method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.writeHead(502).end());
      incoming.pipe(onward);
    } else {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    report,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of incoming.setEncoding("utf8")) {
    text += chunk;
  }
  return text;
}
