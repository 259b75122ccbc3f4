import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { AskedThread } from "./asked-thread.ts";

/** Stands for a thread: the test gives its answers, and fails it. */
class StandIn extends EventEmitter {
  readonly asked: string[] = [];
  ends = 0;

  postMessage(question: string): void {
    this.asked.push(question);
  }

  terminate(): void {
    this.ends += 1;
    this.emit("exit");
  }
}

function askedStandIn() {
  const worker = new StandIn();
  const told: string[] = [];
  const thread = new AskedThread<string, string>(worker as unknown as Worker, {
    reasonOf: (how, options) => new Error(`it ${how}`, options),
    onEnd: ({ message }) => told.push(message),
  });
  return { worker, told, thread };
}

test("answers come to those who asked, in the order of their questions", async () => {
  const { worker, thread } = askedStandIn();
  const answers = [thread.ask("a"), thread.ask("b")];
  assert.equal(thread.isIdle, false);
  assert.deepEqual(worker.asked, ["a", "b"]);
  worker.emit("message", "A");
  worker.emit("message", "B");
  assert.equal(thread.isIdle, true);
  assert.deepEqual(await Promise.all(answers), ["A", "B"]);
});

test("whatever ends a thread, all who wait are refused, with the cause, and then it is told", async () => {
  for (const [event, how] of [
    ["error", "failed"],
    ["exit", "ended"],
    ["messageerror", "gave an answer that cannot be read"],
  ] as const) {
    const { worker, told, thread } = askedStandIn();
    const answers = [thread.ask("a"), thread.ask("b")];
    const cause = new Error("why");
    worker.emit(event, cause);
    for (const answer of await Promise.allSettled(answers)) {
      assert.ok(answer.status === "rejected");
      const { message, cause: told } = answer.reason as Error;
      assert.deepEqual([message, told], [`it ${how}`, event === "exit" ? undefined : cause]);
    }
    assert.equal(told[0], `it ${how}`);
    // Its later answers would go to the wrong callers.
    assert.equal(worker.ends, event === "messageerror" ? 1 : 0);
  }
});

test("a question that cannot be read ends the thread that takes them", async () => {
  const module = JSON.stringify(new URL("./asked-thread.ts", import.meta.url).href);
  const program = `
    import { EventEmitter } from "node:events";
    import { takeQuestions } from ${module};
    const port = new EventEmitter();
    takeQuestions(port, () => {});
    port.emit("messageerror", new Error("unreadable"));
    setInterval(() => {}, 1000);`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
  assert.deepEqual(await once(worker, "exit"), [1]);
});
