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

export const schema: Schema = JSON.parse(readFileSync(`${WIRE}beacon.v1.schema.json`, "utf8"));

const check = new Ajv2020({ allErrors: true, strict: true }).compile(schema);

/** What is wrong with a beacon. Empty if it keeps the contract. */
export function validate(beacon: unknown): string[] {
  return check(beacon)
    ? []
    : (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}
