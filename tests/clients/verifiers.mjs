/**
 * Do applications believe the verdicts that they should, and no others? Runs the examples of docs/account-protection.md,
 * as they stand there, on tokens of a running collector and on forgeries of them:
 *
 *     node verifiers.mjs COLLECTOR ISSUER SITE AUDIENCE KEY_FOLDER PYTHON
 *
 * KEY_FOLDER is the collector's, so that tokens of other times and audiences can be made that are signed as its own are.
 * `jose` is found by NODE_PATH, PyJWT by PYTHON.
 */
import { execFileSync } from "node:child_process";
import { createHmac, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [collector = "", issuer = "", site = "", audience = "", folder = "", python = ""] = process.argv.slice(2);
const doc = readFileSync(new URL("../../docs/account-protection.md", import.meta.url), "utf8");
/** The example of a language, with the names of this collector. */
const example = (/** @type {string} */ language) => {
  const [, code] = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(doc) ?? [];
  if (!code) throw new Error(`docs/account-protection.md has no example in ${language}`);
  return code
    .replaceAll("https://t.jetpay.kz/", `${collector}/`)
    .replaceAll("https://t.jetpay.kz", issuer)
    .replaceAll("https://jetpay.kz", audience);
};

const encoded = (/** @type {unknown} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const decoded = (/** @type {string} */ part) => JSON.parse(Buffer.from(part, "base64url").toString());
const signed = (/** @type {object} */ header, /** @type {object} */ claims, /** @type {import("node:crypto").KeyObject} */ key) => {
  const text = `${encoded(header)}.${encoded(claims)}`;
  return `${text}.${sign(null, Buffer.from(text), key).toString("base64url")}`;
};

const nonce = () => `a-nonce-of-an-application-${Math.random().toString(36).slice(2)}`;
async function ask(/** @type {string} */ nonce) {
  const answer = await fetch(`${collector}/v1/verdict`, {
    method: "POST",
    headers: { Origin: `http://${site}`, "Content-Type": "text/plain" },
    body: JSON.stringify({ v: 1, site, nonce, evidence: { automation: ["webdriver"], engine: "blink" } }),
  });
  if (answer.status !== 200) throw new Error(`the collector answers ${answer.status} ${await answer.text()}`);
  return answer.text();
}

const of = nonce();
const real = await ask(of);
const [head = "", body = "", signature = ""] = real.split(".");
const [header, claims] = [decoded(head), decoded(body)];
// The key whose public part is the header's: a file has the private and the public half.
const { keys } = await (await fetch(`${collector}/.well-known/tamga-verdict-keys.json`)).json();
const { x } = keys.find((/** @type {{ kid: string }} */ { kid }) => kid === header.kid);
const file = readdirSync(folder)
  .map((name) => readFileSync(join(folder, name)))
  .find((bytes) => bytes.subarray(32).toString("base64url") === x);
const d = file?.subarray(0, 32).toString("base64url");
const own = createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" });
const { privateKey: other } = generateKeyPairSync("ed25519");
const secret = createHmac("sha256", Buffer.from(x, "base64url"));
const symmetric = `${encoded({ ...header, alg: "HS256" })}.${body}`;

/** What it is, the token, the session's nonce, and whether it is believed. @type {[string, string, string | null, boolean][]} */
const cases = [
  ["a verdict", real, of, true],
  ["signed with the same key", signed(header, claims, own), of, true],
  ["without a nonce in the session", real, null, false],
  ["of another page", real, nonce(), false],
  ["with another level", `${head}.${encoded({ ...claims, level: "low" })}.${signature}`, of, false],
  ["forged by another key", signed(header, claims, other), of, false],
  ["forged by a key of its own name", signed({ ...header, kid: "another" }, claims, other), of, false],
  ["unsigned", `${encoded({ ...header, alg: "none" })}.${body}.`, of, false],
  ["signed with the public key as a password", `${symmetric}.${secret.update(symmetric).digest("base64url")}`, of, false],
  ["expired", signed(header, { ...claims, iat: claims.iat - 600, exp: claims.exp - 600 }, own), of, false],
  ["without an end", signed(header, { ...claims, exp: undefined }, own), of, false],
  ["for another audience", signed(header, { ...claims, aud: "https://elsewhere.kz" }, own), of, false],
  ["of another issuer", signed(header, { ...claims, iss: "https://t.elsewhere.kz" }, own), of, false],
  ["without a nonce", signed(header, { ...claims, nonce: undefined }, own), of, false],
  ["a session's token of another purpose", signed({ ...header, typ: "JWT" }, claims, own), of, false],
  ["nothing", "", of, false],
];

const scratch = mkdtempSync(join(tmpdir(), "tamga-verifiers-"));
try {
  writeFileSync(join(scratch, "verdict.mjs"), example("js"));
  writeFileSync(join(scratch, "application.py"), example("python"));
  writeFileSync(join(scratch, "cases.json"), JSON.stringify(cases));
  // Node looks for packages of a module beside it.
  symlinkSync(process.env.NODE_PATH ?? "", join(scratch, "node_modules"));
  const { verdict } = await import(pathToFileURL(join(scratch, "verdict.mjs")).href);
  const believes = (/** @type {string} */ token, /** @type {object} */ session) =>
    verdict(token, session).then(
      (/** @type {{ level: string }} */ { level }) => level === claims.level,
      () => false,
    );
  const inNode = [];
  for (const [, token, nonce] of cases) {
    const session = nonce === null ? {} : { nonce };
    // The second time is a replay.
    inNode.push([await believes(token, session), await believes(token, session)]);
  }
  writeFileSync(
    join(scratch, "run.py"),
    `import json
from application import verdict

def believes(token, session):
    try:
        return verdict(token, session)["level"] == ${JSON.stringify(claims.level)}
    except Exception:
        return False

said = []
for _, token, nonce, _ in json.load(open("cases.json")):
    session = {} if nonce is None else {"nonce": nonce}
    said.append([believes(token, session), believes(token, session)])
print(json.dumps(said))
`,
  );
  const inPython = JSON.parse(execFileSync(python, ["run.py"], { cwd: scratch, encoding: "utf8" }));
  const wrong = [];
  for (const [at, [what, , , isBelieved]] of cases.entries())
    for (const [language, said] of /** @type {const} */ ([["Node", inNode[at]], ["Python", inPython[at]]]))
      if (said[0] !== isBelieved || said[1]) wrong.push(`${language}, ${what}: ${said}`);
  if (wrong.length) throw new Error(`believed or refused wrongly:\n${wrong.join("\n")}`);
  console.log(`verdicts: ${cases.length} tokens, each twice, are believed or refused rightly in Node and in Python`);
} finally {
  rmSync(scratch, { recursive: true });
}
