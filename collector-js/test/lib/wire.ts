/** Controls a browser by JSON requests over one WebSocket, as DevTools and WebDriver BiDi define them. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import WebSocket from "ws";

/** A browser starts slowly, and more slowly beside other browsers. */
const START_MS = 60_000;

interface Answer {
  id?: number;
  result?: unknown;
  error?: unknown;
  message?: string;
}

export class Wire {
  private last = 0;
  private waiting = new Map<number, (answer: Answer) => void>();

  private constructor(
    private process: ChildProcess,
    private socket: WebSocket,
    private profile: string,
  ) {
    socket.on("message", (data) => {
      const answer: Answer = JSON.parse(String(data));
      if (answer.id !== undefined) this.waiting.get(answer.id)?.(answer);
    });
  }

  /**
   * Starts a program with a fresh profile, and waits for the line on its standard error that names the address.
   */
  static async launch(path: string, args: (profile: string) => string[], suffix = ""): Promise<Wire> {
    const profile = mkdtempSync(join(tmpdir(), "tamga-browser-"));
    const process = spawn(path, args(profile), { stdio: ["ignore", "ignore", "pipe"] });
    const url = await new Promise<string>((found, failed) => {
      setTimeout(() => failed(new Error(`${path} did not start`)), START_MS).unref();
      process.on("exit", () => failed(new Error(`${path} ended at once`)));
      createInterface(process.stderr as NodeJS.ReadableStream).on("line", (line) => {
        const [, address] = /listening on (ws:\S+)/.exec(line) ?? [];
        if (address) found(address + suffix);
      });
    });
    const socket = new WebSocket(url);
    await new Promise((open, failed) => {
      socket.on("open", open).on("error", failed);
    });
    return new Wire(process, socket, profile);
  }

  async send(method: string, params: object = {}, more: object = {}): Promise<unknown> {
    const id = ++this.last;
    const answer = await new Promise<Answer>((resolve) => {
      this.waiting.set(id, resolve);
      this.socket.send(JSON.stringify({ id, method, params, ...more }));
    });
    this.waiting.delete(id);
    if (answer.error) throw new Error(`${method}: ${answer.message ?? JSON.stringify(answer.error)}`);
    return answer.result;
  }

  /** `method` is the method that closes the browser. */
  async close(method: string) {
    const ended = new Promise((end) => this.process.once("exit", end));
    // The connection may end before the answer arrives.
    this.send(method).catch(() => this.process.kill());
    await ended;
    this.socket.terminate();
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A function with its argument, as an expression of a page whose value is JSON. */
export const asJson = (run: (arg: never) => unknown, arg: unknown) =>
  `(async () => JSON.stringify(await (${run})(${JSON.stringify(arg)})))()`;

export const fromJson = (text: string | undefined) => (text === undefined ? undefined : JSON.parse(text));
