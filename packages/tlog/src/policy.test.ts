import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, formatVkey, noteKey, parseVkey } from "./note-key.ts";
import { parsePolicy } from "./policy.ts";
import { NoteMalformed } from "./text-form.ts";

function vkeys(type: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => {
    const { publicKey } =
      type === COSIGNATURE_ML_DSA_44 ? generateKeyPairSync("ml-dsa-44") : generateKeyPairSync("ed25519");
    return formatVkey(noteKey(`key.example/${i}`, type, publicKey));
  });
}

const [LOG = "", OTHER_LOG = ""] = vkeys(ED25519, 2);
const WITNESSES = [...vkeys(COSIGNATURE_ED25519, 4), ...vkeys(COSIGNATURE_ML_DSA_44, 2)];
const [W1 = "", W2 = "", W3 = "", W4 = "", W5 = "", W6 = ""] = WITNESSES;

function parse(...lines: readonly string[]): ReturnType<typeof parsePolicy> {
  return parsePolicy(Buffer.from(lines.map((line) => `${line}\n`).join("")));
}

/** The same key under another name and type. */
function renamed(vkey: string, type: number): string {
  return formatVkey(noteKey("renamed", type, parseVkey(vkey).publicKey));
}

// The example of C2SP tlog-policy, with keys.
const EXAMPLE = [
  `log ${LOG}`,
  "",
  `witness X1 ${W1}`,
  `witness X2 ${W2}`,
  `witness X3 ${W3}`,
  "group X-witnesses 2 X1 X2 X3",
  "",
  `witness Y1 ${W4}`,
  `witness Y2 ${W5}`,
  `witness Y3 ${W6}`,
  "group Y-witnesses any Y1 Y2 Y3",
  "",
  "group X-and-Y all X-witnesses Y-witnesses",
  "quorum X-and-Y",
];

test("the standard's example has its quorum when it says so", () => {
  const policy = parse(...EXAMPLE);
  assert.deepEqual(
    policy.logs.map(({ key }) => formatVkey(key)),
    [LOG],
  );
  assert.deepEqual(
    policy.witnesses.map(({ name, key }) => [name, formatVkey(key)]),
    ["X1", "X2", "X3", "Y1", "Y2", "Y3"].map((name, i) => [name, WITNESSES[i]]),
  );
  for (let bits = 0; bits < 64; bits++) {
    const names = policy.witnesses.filter((_, i) => (bits >> i) % 2 === 1).map(({ name }) => name);
    const count = (letter: string): number => names.filter((name) => name.startsWith(letter)).length;
    assert.equal(policy.isQuorum(new Set(names)), count("X") >= 2 && count("Y") >= 1, names.join());
  }
});

test("the names of groups, and of nobody, do not count as witnesses", () => {
  const policy = parse(...EXAMPLE);
  assert.equal(policy.isQuorum(new Set(["X-and-Y", "X-witnesses", "Y-witnesses", "none", "nobody"])), false);
});

test("a quorum may be none, or one witness", () => {
  assert.equal(parse("quorum none").isQuorum(new Set()), true);
  const policy = parse(`witness a ${W1}`, `witness b ${W2}`, "quorum b");
  assert.equal(policy.isQuorum(new Set(["a"])), false);
  assert.equal(policy.isQuorum(new Set(["b"])), true);
});

test("spaces, tabs, comments, empty lines, URLs and octets of any script are read", () => {
  const policy = parsePolicy(
    Buffer.concat([
      Buffer.from(`\t # log x\n\n \t\n  log\t${LOG}  https://log.example/ü \t\nwitness w# ${W1}\nwitness `),
      Buffer.from([0xe9]),
      Buffer.from(
        ` ${W5} https://witness.example/\nwitness é ${W2}\ngroup all all w# é\nquorum all\nlog ${OTHER_LOG}\n`,
      ),
    ]),
  );
  assert.deepEqual(
    policy.logs.map(({ url }) => url),
    ["https://log.example/ü", undefined],
  );
  assert.deepEqual(
    policy.witnesses.map(({ name, url }) => [name, url]),
    [
      ["w#", undefined],
      ["\u00e9", "https://witness.example/"],
      ["\u00c3\u00a9", undefined],
    ],
  );
  assert.equal(policy.isQuorum(new Set(["w#", "\u00c3\u00a9"])), true);
});

test("a key of another name than ASCII is read", () => {
  const key = noteKey("zeuge.example/ü", COSIGNATURE_ED25519, generateKeyPairSync("ed25519").publicKey);
  assert.deepEqual(parse(`witness a ${formatVkey(key)}`, "quorum a").witnesses, [{ name: "a", key }]);
});

test("logs, witnesses and groups may be 200 each, and groups in groups far down", () => {
  const keys = vkeys(COSIGNATURE_ED25519, 200);
  const lines = vkeys(ED25519, 200).map((vkey) => `log ${vkey}`);
  lines.push(...keys.map((vkey, i) => `witness w${i} ${vkey}`), "group g0 any w0");
  lines.push(...keys.slice(1).map((_, i) => `group g${i + 1} all g${i} w${i + 1}`), "quorum g199");
  const policy = parse(...lines);
  const names = policy.witnesses.map(({ name }) => name);
  assert.equal(policy.isQuorum(new Set(names)), true);
  assert.equal(policy.isQuorum(new Set(names.toSpliced(100, 1))), false);
  const deep = [`witness w ${W1}`, "group g0 all w"];
  deep.push(...Array.from({ length: 20_000 }, (_, i) => `group g${i + 1} all g${i}`), "quorum g20000");
  assert.equal(parse(...deep).isQuorum(new Set(["w"])), true);
});

for (const [what, lines] of [
  ["empty", []],
  ["without a quorum", [`witness a ${W1}`]],
  ["with two quorums", ["quorum none", "quorum none"]],
  ["with a quorum that is not defined", ["quorum a"]],
  ["with a quorum that is defined later", ["quorum a", `witness a ${W1}`]],
  ["with a quorum of nothing", ["quorum"]],
  ["with a quorum of two", [`witness a ${W1}`, `witness b ${W2}`, "quorum a b"]],
  ["with an unknown keyword", ["quorum none", "Quorum none"]],
  ["with a comment behind a line", ["quorum none # nobody"]],
  ["with CR LF", ["quorum none\r"]],
  ["with a control character", ["quorum none", "# \u0001"]],
  ["with DEL", ["quorum none", "# \u007f"]],
  ["with a NUL", ["quorum none", "\0"]],
  ["with a log of nothing", ["log", "quorum none"]],
  ["with a log of too much", [`log ${LOG} https://a.example https://b.example`, "quorum none"]],
  ["with a log's key that is malformed", [`log ${LOG}A`, "quorum none"]],
  ["with a log twice", [`log ${LOG}`, `log ${LOG}`, "quorum none"]],
  ["with a log's key twice", [`log ${LOG}`, `log ${renamed(LOG, COSIGNATURE_ED25519)}`, "quorum none"]],
  ["with a witness without a key", ["witness a", "quorum none"]],
  ["with a witness of too much", [`witness a ${W1} https://a.example x`, "quorum none"]],
  ["with a witness's key that is malformed", [`witness a ${W1}A`, "quorum none"]],
  ["with a witness's key that is a log's", [`witness a ${LOG}`, "quorum none"]],
  ["with a witness's key twice", [`witness a ${W1}`, `witness b ${renamed(W1, COSIGNATURE_ED25519)}`, "quorum none"]],
  ["with a witness's name twice", [`witness a ${W1}`, `witness a ${W2}`, "quorum none"]],
  ["with a witness of the name none", [`witness none ${W1}`, "quorum none"]],
  ["with a group of the name none", [`witness a ${W1}`, "group none any a", "quorum none"]],
  ["with a group of a witness's name", [`witness a ${W1}`, `witness b ${W2}`, "group a any b", "quorum a"]],
  ["with a group twice", [`witness a ${W1}`, `witness b ${W2}`, "group g any a", "group g any b", "quorum g"]],
  ["with a group in itself", [`witness a ${W1}`, "group g any a g", "quorum g"]],
  ["with a group of nobody", ["group g any", "quorum none"]],
  ["with a group without a threshold", [`witness a ${W1}`, "group g a", "quorum none"]],
  ["with a group of none", ["group g any none", "quorum g"]],
  ["with a member that is not defined", ["group g any a", "quorum g"]],
  ["with a member that is defined later", ["group g any a", `witness a ${W1}`, "quorum g"]],
  ["with a member twice in a group", [`witness a ${W1}`, "group g any a a", "quorum g"]],
  ["with a member of two groups", [`witness a ${W1}`, "group g any a", "group h any a", "quorum g"]],
  ["with a threshold of 0", [`witness a ${W1}`, "group g 0 a", "quorum g"]],
  ["with a threshold of too many", [`witness a ${W1}`, "group g 2 a", "quorum g"]],
  ["with a negative threshold", [`witness a ${W1}`, "group g -1 a", "quorum g"]],
  ["with a threshold with a leading zero", [`witness a ${W1}`, "group g 01 a", "quorum g"]],
  ["with a threshold that is no whole number", [`witness a ${W1}`, "group g 1.0 a", "quorum g"]],
  ["with a threshold of another word", [`witness a ${W1}`, "group g ALL a", "quorum g"]],
  ["with no-break spaces for spaces", ["quorum\u00a0none"]],
] as const) {
  test(`a policy ${what} is refused`, () => {
    assert.throws(() => parse(...lines), NoteMalformed);
  });
}

test("a policy is refused with the number of its line, when it is cut, and when it is too long", () => {
  assert.throws(() => parse("# x", "", "quorum a"), /^NoteMalformed: line 3: /);
  assert.throws(() => parsePolicy(Buffer.from("# x\nquorum none")), /^NoteMalformed: line 2: /);
  assert.throws(() => parsePolicy(Buffer.from(`quorum none\n#${"x".repeat(2 ** 20)}\n`)), NoteMalformed);
  const whole = Buffer.from(EXAMPLE.map((line) => `${line}\n`).join(""));
  for (let i = 0; i < whole.length; i++) {
    assert.throws(() => parsePolicy(whole.subarray(0, i)), NoteMalformed);
  }
});
