import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from "node:http2";
import { connectionError } from "../connection-reason.ts";
import { RequestError } from "../errors.ts";
import type { TlsOptions } from "../options.ts";

/**
 * The connection to a server: one HTTP/2 session, opened with the first call, and again when it was lost. It keeps no process
 * alive but while calls are under way.
 */
export class Channel {
  readonly origin: string;
  readonly #open: () => ClientHttp2Session;
  /** How many are under way. */
  readonly #calls = new WeakMap<ClientHttp2Session, number>();
  #session: ClientHttp2Session | undefined;
  #closed = false;

  /** @param url `grpc://` or `grpcs://`. */
  constructor(url: URL, tls: TlsOptions | undefined) {
    this.origin = `${url.protocol}//${url.host}`;
    const address = `${url.protocol === "grpcs:" ? "https" : "http"}://${url.host}`;
    this.#open = () => connect(address, { ...tls });
  }

  /**
   * Begins a stream.
   * @throws RequestError when the channel was closed, ConnectionError when the session is lost at this very moment.
   */
  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const session = this.#usableSession();
    let stream: ClientHttp2Stream;
    try {
      stream = session.request(headers);
    } catch (error) {
      throw connectionError(this.origin, error);
    }
    const calls = (this.#calls.get(session) ?? 0) + 1;
    this.#calls.set(session, calls);
    if (calls === 1) {
      session.ref?.();
    }
    stream.once("close", () => {
      const left = (this.#calls.get(session) ?? 1) - 1;
      this.#calls.set(session, left);
      if (left === 0 && !session.destroyed) {
        session.unref?.();
      }
    });
    return stream;
  }

  /** Lets the next call open a new session: this one does not answer. Calls that wait on it go on waiting. */
  retire(): void {
    this.#session?.close();
    this.#session = undefined;
  }

  /** Ends the session and all calls on it. */
  close(): void {
    this.#closed = true;
    this.#session?.destroy();
    this.#session = undefined;
  }

  #usableSession(): ClientHttp2Session {
    if (this.#closed) {
      throw new RequestError("the client was closed");
    }
    if (this.#session !== undefined && !this.#session.closed && !this.#session.destroyed) {
      return this.#session;
    }
    const session = this.#open();
    const forget = (): void => {
      if (this.#session === session) {
        this.#session = undefined;
      }
    };
    // The calls under way fail by themselves; a session that fails with none is simply gone.
    session.on("error", forget);
    session.on("close", forget);
    // No new calls on it; those under way may end.
    session.on("goaway", forget);
    session.unref?.();
    this.#session = session;
    return session;
  }
}
