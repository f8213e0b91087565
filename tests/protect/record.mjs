/**
 * Records runs: `node record.mjs FILE KIND COUNT FIRST_SEED [TOOL…]`, where KIND is `ordinary`,
 * `developer` (with developer tools open), `stock` or `evader`. Each run
 * is appended to FILE as a line of JSON: what the visitor was, and the call as it reached the collector. A run that
 * sent no call is a line without one. Runs come one after the other.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { Lab } from "./lab.mjs";
import { screens, visit } from "./people.mjs";
import { EVADERS, STOCK } from "./tools.mjs";

const [file = "", kind = "", count = "1", first = "1", ...chosen] = process.argv.slice(2);
/** How often each visitor signs in, with one profile. */
const RUNS = 4;
const lab = await new Lab().open();
const { all: displays, stop } = await screens();
process.on("SIGTERM", () => stop().then(() => process.exit(1)));
const write = (/** @type {object} */ line) => appendFileSync(file, `${JSON.stringify(line)}\n`);
/** A run's name is its nonce. */
const name = (/** @type {number} */ seed) => `run-of-an-evaluation-${kind}-${seed}`;

/** What the programs without a browser have copied: the call of an ordinary Chromium. */
function copied() {
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const { kind, traits, call } = JSON.parse(line || "{}");
    if (kind === "ordinary" && traits.browser === "chromium" && call) return call;
  }
  throw new Error("record ordinary runs first: some tools send what they have copied from one");
}

try {
  const tools = Object.entries(kind === "evader" ? EVADERS : STOCK).filter(
    ([tool]) => !chosen.length || chosen.includes(tool),
  );
  for (let turn = 0; turn < Number(count); turn++) {
    const seed = Number(first) + turn;
    const run = name(seed);
    if (kind === "ordinary" || kind === "developer") {
      const runs = Array.from({ length: Math.min(RUNS, Number(count) - turn) }, (_, at) => name(seed + at));
      const all = await visit(lab, runs, seed, displays, kind === "developer");
      for (const [at, traits] of all.entries())
        write({ kind, run: runs[at], traits, call: lab.calls.get(runs[at] ?? "") });
      turn += RUNS - 1;
      continue;
    }
    const [tool = "", drive] = tools[turn % tools.length] ?? [];
    const screen = displays[turn % displays.length];
    let failed;
    try {
      await drive?.({ lab, run, display: screen?.display ?? "", copied: copied() });
    } catch (error) {
      failed = String(error).split("\n")[0];
    }
    write({ kind, run, tool, failed, call: lab.calls.get(run) });
  }
} finally {
  await stop();
  lab.close();
}
process.exit();
