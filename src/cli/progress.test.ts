import { describe, expect, test } from "vitest";
import { formatProgress, type Progress, ProgressLine } from "./progress.ts";

const progress: Progress = {
  label: "epoch 3/50",
  done: 21,
  total: 50,
  remaining: 125,
  details: ["loss 0.4120", "812 samples/s", "1.2 GB"],
};

/** A stream that keeps what is written to it. */
function fakeStream(isTTY: boolean, columns = 200) {
  const written: string[] = [];
  const stream = { isTTY, columns, hasColors: () => false, write: (text: string) => written.push(text) > 0 };
  return { stream: stream as unknown as NodeJS.WriteStream, written };
}

describe("formatProgress()", () => {
  test("shows label, bar, share, time left and details", () => {
    expect(formatProgress(progress)).toBe(
      "epoch 3/50  ━━━━━━━━────────────   42 %  2:05 left  loss 0.4120  812 samples/s  1.2 GB",
    );
  });

  test("leaves out the last details first, then the bar, and never exceeds the width", () => {
    expect(formatProgress(progress, 76)).toBe("epoch 3/50  ━━━━━━━━────────────   42 %  2:05 left  loss 0.4120");
    expect(formatProgress(progress, 30)).toBe("epoch 3/50   42 %  2:05 left");
    expect(formatProgress(progress, 12)).toBe("epoch 3/50  ");
  });

  test("does without a time left, and without steps", () => {
    expect(formatProgress({ label: "setup", done: 0, total: 0, details: [] }, 20)).toBe("setup    0 %");
  });
});

describe("ProgressLine", () => {
  test("redraws one line on a terminal, at most every 50 ms", () => {
    let now = 0;
    const { stream, written } = fakeStream(true);
    const line = new ProgressLine(stream, () => now);
    line.update(progress);
    now = 40;
    line.update(progress);
    now = 60;
    line.update({ ...progress, done: 50 });
    expect(written).toHaveLength(2);
    expect(written.every((text) => text.startsWith("\r\u001b[2K") && !text.includes("\n"))).toBe(true);
    line.line("epoch 3 done");
    expect(written.slice(2)).toEqual(["\r\u001b[2K", "epoch 3 done\n"]);
  });

  test("writes plain lines every 10 s when piped", () => {
    let now = 0;
    const { stream, written } = fakeStream(false);
    const line = new ProgressLine(stream, () => now);
    for (now = 0; now <= 25_000; now += 1000) line.update(progress);
    expect(written).toHaveLength(2);
    expect(written[0]).toBe(`${formatProgress(progress)}\n`);
    line.line("done");
    expect(written[2]).toBe("done\n");
  });
});
