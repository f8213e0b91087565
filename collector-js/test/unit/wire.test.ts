/** Do the types of `beacon.ts`, the schema and its examples say the same? */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import {
  type Beacon,
  type BeaconEvent,
  type Device,
  MAX_MESSAGE,
  MAX_MS,
  MAX_QUERY,
  MAX_SEQ,
  MAX_URL,
  NAME,
} from "../../src/beacon.js";
import { randomId } from "../../src/lib/random-id.js";
import { detectors, fontNames } from "../lib/lists.js";
import { EXAMPLES, schema, validate } from "../lib/schema.js";

/** Every event with every field: the compiler refuses this object when a type gains an event or a field. */
const every: { [Type in BeaconEvent["type"]]: Required<Extract<BeaconEvent, { type: Type }>> } = {
  view: {
    type: "view",
    at: 0,
    url: "https://jetpay.kz/",
    referrer: "https://jetpay.kz/tariffs",
    paid: true,
  },
  engage: { type: "engage", at: 1, engaged_ms: 1 },
  exit: { type: "exit", at: 2, url: "https://kaspi.kz" },
  event: { type: "event", at: 3, name: "pay", variant: "b" },
  search: { type: "search", at: 4, query: "төлем" },
  error: { type: "error", at: 5, message: "TypeError" },
  consent: { type: "consent", at: 6, state: "denied" },
  object: { type: "object", at: 7 },
};

const beacon = (events: BeaconEvent[]): Beacon => ({
  v: 1,
  site: "jetpay.kz",
  view: randomId(),
  seq: 0,
  events,
});

test("every event that the types allow, the schema allows", () => {
  assert.deepEqual(validate(beacon(Object.values(every))), []);
});

test("the schema describes the events and fields of the types, no more and no fewer", () => {
  const shapes = new Map<string, string>(
    schema.$defs.event.allOf.map((branch) => [
      branch.if.properties.type.const,
      branch.then.$ref.replace("#/$defs/", ""),
    ]),
  );
  assert.deepEqual([...shapes.keys()].sort(), Object.keys(every).sort());
  for (const [type, shape] of shapes) {
    const described = Object.keys(schema.$defs[shape]?.properties ?? {});
    const typed = Object.keys(every[type as BeaconEvent["type"]]);
    assert.deepEqual(["type", "at", ...described].sort(), typed.sort(), type);
  }
});

test("the schema describes the signals of the device part, each with its value or with its absence", () => {
  const device: Required<Device> = {
    time_zone: "Asia/Almaty",
    canvas: { digest: randomId(), state: "noised" },
    fonts: fontNames,
    plugins: [],
    webgl: { vendor: "", renderer: "r".repeat(256), digest: randomId() },
    media_devices: { audio_input: 0, audio_output: 4, video_input: 1 },
    active_x: false,
    languages: ["kk-KZ", "ru"],
    cpu: { architecture: "x86", bits: 64 },
    screen: { width: 1440, height: 900, depth: 24, ratio: 150, window: "full" },
    automation: detectors.map(([name]) => name as string),
    os_version: "15.0.0",
    model: "SM-A525F",
  };
  assert.deepEqual(Object.keys(schema.$defs.device?.properties ?? {}).sort(), Object.keys(device).sort());
  assert.deepEqual(validate({ ...beacon([]), device }), []);
  for (const absent of ["unsupported", "blocked", "timeout", "error"]) {
    const none = Object.fromEntries(Object.keys(device).map((name) => [name, { absent }]));
    assert.deepEqual(validate({ ...beacon([]), device: none }), []);
  }
  assert.notDeepEqual(
    validate({ ...beacon([]), device: { screen: { ...(device.screen as object), width: null } } }),
    [],
  );
  assert.notDeepEqual(validate(beacon([])), [], "without a device there must be an event");
});

test("the bounds in the code are the bounds of the schema", () => {
  assert.equal(schema.properties.seq.maximum, MAX_SEQ);
  assert.equal(schema.$defs.at.maximum, MAX_MS);
  assert.equal(schema.$defs.engage.properties.engaged_ms.maximum, MAX_MS);
  assert.equal(schema.$defs.address.maxLength, MAX_URL);
  assert.equal(schema.$defs.search.properties.query.maxLength, MAX_QUERY);
  assert.equal(schema.$defs.error.properties.message.maxLength, MAX_MESSAGE);
  assert.equal(`^${schema.$defs.name.pattern.slice(1, -2)}{1,${schema.$defs.name.maxLength}}$`, NAME.source);
});

test("every field has a description", () => {
  const bare: string[] = [];
  const walk = (node: unknown, path: string) => {
    if (typeof node !== "object" || node === null) return;
    for (const [key, value] of Object.entries(node)) {
      const isField = /\/(properties|\$defs)$/.test(path) && !/\/(allOf|anyOf|if|then)\//.test(path);
      const described = value?.description ?? schema.$defs[value?.$ref?.replace("#/$defs/", "")]?.description;
      if (isField && !described) bare.push(`${path}/${key}`);
      walk(value, `${path}/${key}`);
    }
  };
  walk(schema, "");
  assert.deepEqual(bare, []);
});

for (const name of readdirSync(EXAMPLES)) {
  test(`example ${name}`, () => {
    const errors = validate(JSON.parse(readFileSync(`${EXAMPLES}/${name}`, "utf8")));
    if (name.startsWith("valid-")) assert.deepEqual(errors, []);
    else assert.notDeepEqual(errors, []);
  });
}

test("a view id is 128 bits: 22 characters, the last of which carries two bits, and never twice the same", () => {
  const ids = new Set(Array.from({ length: 1_000 }, randomId));
  assert.equal(ids.size, 1_000);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{21}[AQgw]$/);
});
