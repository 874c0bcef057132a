import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Message } from "../formats/protobuf.ts";
import type { ReadMessage } from "../formats/protobuf-reader.fake.ts";
import { readWandbLog } from "./readers.fake.ts";
import { WandbLog } from "./wandb-log.ts";

const folder = mkdtempSync(join(tmpdir(), "wandb-log-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A record whose content is a key of some length. */
const record = (length: number) =>
  new Message().message(1, new Message().string(1, "k".repeat(length)).string(16, "1"));
const lengths = (path: string) =>
  readWandbLog(path).map(({ history }) => {
    const [item] = (history![0] as ReadMessage).item as ReadMessage[];
    return (item!.key![0] as string).length;
  });

describe("WandbLog", () => {
  test("divides records that cross the ends of blocks", () => {
    const log = new WandbLog(join(folder, "many"));
    const written = Array.from({ length: 200 }, (_, i) => (i * i * 37) % 5000).concat(100_000, 0, 65_536, 1);
    for (const length of written) log.write("history", record(length));
    log.close();
    expect(lengths(join(folder, "many"))).toEqual(written);
  });

  // From a chunk that ends 20 bytes before the block's end to one that crosses it: among them those that leave 7 bytes, which
  // take the head of an empty chunk, 6 to 1, which are zero, and none.
  test.each(Array.from({ length: 40 }, (_, i) => 32_768 - 7 - 7 - 50 + i))(
    "fills a block after a record of %d",
    (length) => {
      const path = join(folder, String(length));
      const log = new WandbLog(path);
      for (const next of [length, 10]) log.write("history", record(next));
      log.close();
      expect(lengths(path)).toEqual([length, 10]);
    },
  );
});
