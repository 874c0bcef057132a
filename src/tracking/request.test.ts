import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LoopbackServer } from "./loopback.fake.ts";
import { requestJson } from "./request.ts";

let server: LoopbackServer;
beforeAll(async () => {
  server = await LoopbackServer.start(() => ({ body: { fine: true } }));
});
afterAll(() => server.close());

const { signal } = new AbortController();
const ask = () => requestJson(`${server.url}/path`, { body: { a: 1 }, headers: { authorization: "Bearer x" }, signal });

describe("requestJson()", () => {
  test("sends and receives JSON", async () => {
    expect(await ask()).toEqual({ fine: true });
    expect(server.seen.at(-1)).toEqual({ method: "POST", path: "/path", authorization: "Bearer x", body: { a: 1 } });
    server.next.push({});
    expect(await requestJson(server.url, { method: "GET", signal })).toBeNull();
  });

  test.each([
    [500, true],
    [503, true],
    [429, true],
    [408, true],
    [400, false],
    [401, false],
    [404, false],
    [409, false],
  ])("says of status %d whether it may pass: %s", async (status, isPassing) => {
    server.next.push({ status, body: { error_code: "X", message: `because  of\n${status}` } });
    const host = `127.0.0.1:${server.port}`;
    await expect(ask()).rejects.toMatchObject({
      status,
      isPassing,
      message: `${host} answers ${status}: because of ${status}`,
    });
  });

  test("tells reasons in words, cut short", async () => {
    server.next.push(
      { status: 400, body: { errors: [{ message: "no such project" }] } },
      { status: 400, body: "x".repeat(999) },
    );
    await expect(ask()).rejects.toThrow("answers 400: no such project");
    await expect(ask()).rejects.toThrow(/answers 400: "x{198}…$/);
  });

  test("may pass when nobody listens or nobody answers", async () => {
    const gone = await LoopbackServer.start(() => ({}));
    await gone.close();
    await expect(requestJson(gone.url, { signal })).rejects.toMatchObject({
      isPassing: true,
      status: undefined,
      message: `127.0.0.1:${gone.port} does not answer: ECONNREFUSED`,
    });
    server.next.push("nothing");
    const limit = new AbortController();
    setTimeout(() => limit.abort(new Error("nothing within 1 s")), 20);
    await expect(requestJson(server.url, { signal: limit.signal })).rejects.toMatchObject({
      isPassing: true,
      message: `127.0.0.1:${server.port} does not answer: nothing within 1 s`,
    });
  });

  test("does not take a page for an answer", async () => {
    server.next.push({ text: "<html>Sign in</html>" });
    await expect(ask()).rejects.toMatchObject({
      isPassing: false,
      message: `127.0.0.1:${server.port} answers with something other than JSON: <html>Sign in</html>`,
    });
  });
});
