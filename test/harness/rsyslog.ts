import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { toolEnvironment } from "../../scripts/run-program.ts";
import { until } from "./audit-entries.ts";

/** A message as rsyslog understood it. */
export interface RsyslogLine {
  readonly facility: string;
  readonly severity: string;
  readonly time: string;
  readonly app: string;
  readonly id: string;
  readonly data: string;
  readonly message: string;
}

/** A running rsyslog, which writes what it takes to a file. */
export interface Rsyslog {
  lines(): readonly RsyslogLine[];
  /** @param signal SIGTERM lets it end in order. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

const SEPARATOR = "\u001f";

/**
 * Starts the real rsyslog on a port of loopback.
 * @param folder Where its files lie; those of an earlier start there are gone on with.
 * @throws Error when it is not installed or does not listen. `npm test` installs it.
 */
export async function startRsyslog(
  folder: string,
  port: number,
  tls?: { readonly ca: string; readonly cert: string; readonly key: string },
): Promise<Rsyslog> {
  const [settings, output] = [join(folder, "rsyslog.conf"), join(folder, "messages")];
  const driver =
    tls === undefined ? "" : ' StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"';
  const files =
    tls === undefined
      ? ""
      : ` DefaultNetstreamDriver="ossl" DefaultNetstreamDriverCAFile="${tls.ca}"` +
        ` DefaultNetstreamDriverCertFile="${tls.cert}" DefaultNetstreamDriverKeyFile="${tls.key}"`;
  const properties = [
    "syslogfacility",
    "syslogseverity",
    "timereported",
    "app-name",
    "msgid",
    "structured-data",
    "msg",
  ];
  const format = properties.map((name) => `%${name === "timereported" ? "timereported:::date-rfc3339" : name}%`);
  writeFileSync(
    settings,
    `global(workDirectory="${folder}" maxMessageSize="64k"${files})
module(load="imtcp"${driver})
template(name="parts" type="string" string="${format.join(SEPARATOR)}\\n")
ruleset(name="all") { action(type="omfile" file="${output}" template="parts") }
input(type="imtcp" address="127.0.0.1" port="${port}" ruleset="all")
`,
  );
  const child = spawn("rsyslogd", ["-n", "-f", settings, "-i", join(folder, "pid")], {
    env: toolEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
    });
  }
  const ended = once(child, "close");
  const stop = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    child.kill(signal);
    await ended;
  };
  try {
    await until(() => isOpen(port), "rsyslog's port");
  } catch (error) {
    await stop();
    throw new Error(`${(error as Error).message}\n${text}`, { cause: error });
  }
  return {
    stop,
    lines: () =>
      (existsSync(output) ? readFileSync(output, "utf8") : "")
        .split("\n")
        .slice(0, -1)
        .map((line) => {
          const [facility = "", severity = "", time = "", app = "", id = "", data = "", message = ""] =
            line.split(SEPARATOR);
          return { facility, severity, time, app, id, data, message };
        }),
  };
}

async function isOpen(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const isThere = await Promise.race([
    once(socket, "connect").then(() => true),
    once(socket, "error").then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return isThere;
}
