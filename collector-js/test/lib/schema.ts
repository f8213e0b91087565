/** Checks beacons against the wire contract. */
import { readFileSync } from "node:fs";
import Ajv2020 from "ajv/dist/2020.js";

const WIRE = new URL("../../../schema/wire/", import.meta.url).pathname;
export const EXAMPLES = `${WIRE}examples`;

interface Shape {
  description?: string;
  properties: Record<string, { maximum?: number }>;
}
interface Schema {
  properties: { seq: { maximum: number } };
  $defs: Record<string, Shape> & {
    at: { maximum: number };
    address: { maxLength: number };
    name: { pattern: string; maxLength: number };
    search: { properties: { query: { maxLength: number } } };
    error: { properties: { message: { maxLength: number } } };
    engage: { properties: { engaged_ms: { maximum: number } } };
    event: { allOf: { if: { properties: { type: { const: string } } }; then: { $ref: string } }[] };
  };
}

const read = (name: string) => JSON.parse(readFileSync(`${WIRE}${name}.schema.json`, "utf8"));
export const schema: Schema = read("beacon.v1");

/** What is wrong with a value. Empty if it keeps the contract. */
function validator(contract: object): (value: unknown) => string[] {
  const check = new Ajv2020({ allErrors: true, strict: true }).compile(contract);
  return (value) =>
    check(value) ? [] : (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

export const validate = validator(schema);
/** The same for a call for a verdict. */
export const validateCall = validator(read("verdict.v1"));
