/**
 * Is a visit to an application counted as it happened, whatever library it is made with? Four libraries run with every
 * test, all of `test/apps` with `npm run stacks`.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { FRAMEWORKS } from "../apps/routes.mjs";
import { Firefox } from "../lib/firefox.js";
import { serve, visit } from "../lib/visit.js";
import { World } from "./world.js";

const LIBRARIES = readdirSync(new URL("../apps/", import.meta.url)).map((name) => name.replace(".js", ""));
const FEW = ["plain", "react", "turbo", "vue"];
const apps =
  process.env.STACKS === "all" ? [...LIBRARIES, ...FRAMEWORKS] : (process.env.STACKS?.split(",") ?? FEW);
const PATIENCE_MS = 30_000;

let world: World;
let firefox: Firefox | undefined;
before(async () => {
  world = await World.create();
});
after(async () => {
  await firefox?.close();
  await world?.close();
});

for (const app of apps) {
  test(`${app}: seventeen steps in Chromium`, async () => {
    const page = await world.visitor();
    serve(world, app);
    const tab = {
      goto: (url: string) => page.goto(url),
      // Functions of these tests have no names of their own.
      evaluate: <Result, Arg>(run: (arg: Arg) => Result, arg: Arg) =>
        page.evaluate(run as never, arg as never),
      reload: () => page.reload(),
      back: () => page.goBack({ waitUntil: "commit" }),
      forward: () => page.goForward({ waitUntil: "commit" }),
      close: () => page.close({ runBeforeUnload: true }),
    };
    const paths = await visit(world, app, tab, PATIENCE_MS);
    // For the test that looks at the collector's rows.
    if (world.collector) console.log(JSON.stringify({ app, paths }));
    assert.deepEqual(world.contractErrors(), []);
  });

  test(`${app}: seventeen steps in Firefox`, async () => {
    world.reset();
    serve(world, app);
    firefox ??= await Firefox.launch();
    await visit(world, app, await firefox.tab(), PATIENCE_MS);
    assert.deepEqual(world.contractErrors(), []);
  });
}
