/** The thread that holds the SQLite store: answers one question after the other (store-thread.ts). */

import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { takeQuestions } from "../threads/asked-thread.ts";
import { packListing } from "./packed-listing.ts";
import { openSqliteStore } from "./sqlite.ts";
import { RevisionConflict, type Store, StoreUnavailable } from "./store.ts";
import { StoreRefused } from "./store-refused.ts";
import type { Failure, Question, Reply } from "./store-thread.ts";

const port = parentPort as MessagePort;

async function answer(work: () => Promise<unknown>): Promise<void> {
  let reply: Reply;
  try {
    reply = { value: await work() };
  } catch (error) {
    reply = { failure: failureOf(error) };
  }
  port.postMessage(reply);
}

function carryOut(store: Store, question: Question): Promise<unknown> {
  switch (question.ask) {
    case "get":
      return store.get(question.table, question.path);
    case "getMany":
      return store.getMany(question.table, question.paths).then(packListing);
    case "list":
      return store.list(question.table, question.options).then(packListing);
    case "listRevisions":
      return store.listRevisions(question.table, question.options);
    case "commit":
      return store.commit(question.writes);
    case "close":
      return store.close();
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof RevisionConflict) {
    return { kind: "conflict", table: error.table, path: error.path };
  }
  if (error instanceof StoreUnavailable) {
    return { kind: "unavailable", message: error.message, cause: error.cause };
  }
  if (error instanceof StoreRefused) {
    return { kind: "refused", reason: error.reason, message: error.message, cause: error.cause };
  }
  return { kind: "other", error };
}

let store: Store | undefined;
await answer(async () => {
  store = await openSqliteStore(workerData as string);
});
takeQuestions(port, async (question: Question) => {
  await answer(() => carryOut(store as Store, question));
  if (question.ask === "close") {
    port.close();
  }
});
