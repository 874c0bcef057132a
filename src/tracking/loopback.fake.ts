/** @file A server on this machine for tests of trackers: records requests, and fails when told to. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A request that came in. */
export interface Seen {
  method: string;
  /** With the query. */
  path: string;
  authorization: string | undefined;
  body: unknown;
}

/** What a server answers: status and JSON, or a text; or nothing, ever. */
export type Answer = { status?: number; body?: unknown; text?: string } | "nothing";

/** A server that is listening. */
export class LoopbackServer {
  readonly seen: Seen[] = [];
  /** Answers for the next requests, before the usual ones. */
  readonly next: Answer[] = [];
  readonly port: number;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  /** Listens on a free port of the loopback interface, or a given one. */
  static async start(answer: (request: Seen) => Answer, port = 0): Promise<LoopbackServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const loopback = new LoopbackServer(server);
    server.on("request", async (request: IncomingMessage, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const text = Buffer.concat(chunks).toString("utf8");
      const { method = "", url = "", headers } = request;
      const body: unknown = text === "" ? undefined : JSON.parse(text);
      const seen = { method, path: url, authorization: headers.authorization, body };
      loopback.seen.push(seen);
      const answered = loopback.next.shift() ?? answer(seen);
      if (answered === "nothing") return;
      response.writeHead(answered.status ?? 200);
      response.end(answered.text ?? (answered.body === undefined ? "" : JSON.stringify(answered.body)));
    });
    return loopback;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends all connections and stops listening. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
