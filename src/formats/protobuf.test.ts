import { describe, expect, test } from "vitest";
import { Message } from "./protobuf.ts";
import { readFields, readMessage } from "./protobuf-reader.fake.ts";

const hex = (message: Message) => Buffer.from(message.bytes).toString("hex");

describe("Message", () => {
  test("writes the examples of the encoding guide", () => {
    expect(hex(new Message().int(1, 150))).toBe("089601");
    expect(hex(new Message().string(2, "testing"))).toBe("120774657374696e67");
    expect(hex(new Message().message(3, new Message().int(1, 150)))).toBe("1a03089601");
    expect(hex(new Message().int(1, -2))).toBe("08feffffffffffffffff01");
  });

  test("writes what a reader reads back", () => {
    const message = new Message()
      .int(1, 0)
      .int(2, 2n ** 63n - 1n)
      .int(3, true)
      .double(4, Math.PI)
      .float(5, 0.1)
      .string(200, "µ ✓")
      .message(6, new Message());
    const fields = readFields(Buffer.from(message.bytes));
    expect(fields.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 200, 6]);
    expect(fields[1]!.value).toBe(2n ** 63n - 1n);
    const schema = { 4: ["d", "double"], 5: ["f", "float"], 200: ["s", "string"], 6: ["m", {}] } as const;
    expect(readMessage(Buffer.from(message.bytes), schema)).toEqual({
      d: [Math.PI],
      f: [Math.fround(0.1)],
      s: ["µ ✓"],
      m: [{}],
    });
  });

  test("refuses field numbers that do not exist", () => {
    expect(() => new Message().int(0, 1)).toThrow("field 0");
    expect(() => new Message().int(2 ** 29, 1)).toThrow(RangeError);
  });
});
