import { mac, wipe } from "../../crypto/kdf.ts";
import { secretKey } from "../../crypto/keys.ts";
import { type HttpService, openHttpService } from "../../remote/http-service.ts";
import type { ContextSource } from "../../remote/secure-context.ts";
import { readServiceAddress } from "../../remote/service-address.ts";
import { HTTP_TIMEOUT_MS, post } from "./http-delivery.ts";
import { DeliveryFailed, type Sink, type SinkEntry } from "./sink.ts";
import { parseWebhookSecrets } from "./webhook-secrets.ts";

export interface WebhookSinkOptions {
  /** https, or http on loopback. */
  readonly address: string;
  /** The file of signing secrets as it is now; zeroed here. @throws Error when it cannot be read. */
  readonly readSecrets: () => Buffer;
  /** Asked at each call; without, the built-in authorities are trusted, and no certificate is presented. */
  readonly tls?: ContextSource | undefined;
  /** The log's name (spec/audit.md). */
  readonly origin: string;
  /** What tests put in the place of the real. */
  readonly timeoutMs?: number;
}

const REQUEST_TIMEOUT = 408;
const TOO_MANY = 429;
const SERVER_ERROR = 500;

/** Signed batches, as Standard Webhooks has it (webhook-id, webhook-timestamp, webhook-signature v1). Delivered is a 2xx. */
export class WebhookSink implements Sink {
  readonly name = "webhook";
  readonly #options: WebhookSinkOptions;
  readonly #service: HttpService;
  readonly #path: string;

  /** @throws AddressRefused */
  constructor(options: WebhookSinkOptions) {
    const address = readServiceAddress(options.address, "the webhook's address");
    this.#options = options;
    this.#service = openHttpService(address, options.tls);
    this.#path = address.pathname;
  }

  async deliver(entries: readonly SinkEntry[], signal: AbortSignal): Promise<void> {
    const { origin, timeoutMs = HTTP_TIMEOUT_MS } = this.#options;
    const now = Date.now();
    const body = this.#body(entries, now);
    // The same for the same entries: a receiver that has seen it need not look.
    const id = `${origin.replaceAll("/", "-")}-${entries[0]?.index}-${entries.at(-1)?.index}`;
    const timestamp = String(Math.floor(now / 1000));
    const headers = {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": this.#sign(Buffer.from(`${id}.${timestamp}.`), body),
    };
    await post(
      this.#service,
      { receiver: "the webhook", path: this.#path, headers, body, timeoutMs },
      (status) => status === REQUEST_TIMEOUT || status === TOO_MANY || status >= SERVER_ERROR,
      signal,
    );
  }

  async close(): Promise<void> {
    this.#service.close();
  }

  /** Entries are texts in it, not objects: who parses the body has the leaves' bytes, and hashes them. */
  #body(entries: readonly SinkEntry[], now: number): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: "bunkms.audit.entries",
        timestamp: new Date(now).toISOString(),
        data: {
          log: this.#options.origin,
          entries: entries.map(({ index, bytes }) => ({ index, entry: bytes.toString("utf8") })),
        },
      }),
    );
  }

  #sign(head: Buffer, body: Buffer): string {
    let keys: readonly Buffer[];
    try {
      const file = this.#options.readSecrets();
      try {
        keys = parseWebhookSecrets(file);
      } finally {
        wipe(file);
      }
    } catch {
      throw new DeliveryFailed("the file with the webhook's secret cannot be read", { needsMending: true });
    }
    try {
      return keys.map((key) => `v1,${mac(secretKey(key), head, body).toString("base64")}`).join(" ");
    } finally {
      wipe(...keys);
    }
  }
}
