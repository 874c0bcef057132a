import { describe, expect, test } from "vitest";
import { ConfigError } from "./config-error.ts";
import { parseYaml } from "./yaml.ts";

/** The only issue of the ConfigError that `run` throws. */
function issueOf(run: () => unknown) {
  try {
    run();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.issues).toHaveLength(1);
    return error.issues[0]!;
  }
  throw new Error("expected a ConfigError");
}

describe("parseYaml()", () => {
  test("reads exponents without a decimal point as numbers, and yes and no as text", () => {
    const { value } = parseYaml("a: 1e-3\nb: -2E+4\nc: .5\nd: yes\ne: off\nf: 12:30\ng: 2020-01-01\n", "x.yaml");
    expect(value).toEqual({ a: 0.001, b: -20000, c: 0.5, d: "yes", e: "off", f: "12:30", g: "2020-01-01" });
  });

  test("merges << and aliases", () => {
    const { value } = parseYaml("base: &base {p: 1, q: 2}\nuse:\n  <<: *base\n  q: 3\nsame: *base\n", "x.yaml");
    expect(value).toEqual({ base: { p: 1, q: 2 }, use: { p: 1, q: 3 }, same: { p: 1, q: 2 } });
  });

  test.each([
    ["an empty file", "", 1, 1, "the file is empty; expected a mapping of keys to values"],
    ["a file of comments", "# nothing\n", 1, 1, "the file is empty; expected a mapping of keys to values"],
    ["a list", "# head\n- 1\n- 2\n", 2, 1, "expected a mapping of keys to values at the top level, found a list"],
    [
      "one value",
      "hello\n",
      1,
      1,
      'expected a mapping of keys to values at the top level, found the single value "hello"',
    ],
    ["a key written twice", "a: 1\nb:\n  c: 1\n  c: 2\n", 4, 3, 'key "c" is written twice in the same mapping'],
    ["a second document", "a: 1\n---\nb: 2\n", 2, 1, 'a second document starts here ("---"); expected one per file'],
    ["a tab as indentation", "a:\n\tb: 1\n", 2, 1, "not valid YAML: Tabs are not allowed as indentation"],
    ["an unknown tag", "a: 1\nb: !foo 3\n", 2, 4, "not valid YAML: Unresolved tag: !foo"],
    ["an unknown alias", "a: 1\nb: [2, *c]\n", 2, 8, "Unresolved alias (the anchor must be set before the alias): c"],
  ])("refuses %s", (_, text, line, column, message) => {
    expect(issueOf(() => parseYaml(text, "x.yaml"))).toMatchObject({ file: "x.yaml", line, column, path: [], message });
  });

  test("points at an open bracket's end", () => {
    const issue = issueOf(() => parseYaml("a: [1, 2\nb: 3\n", "x.yaml"));
    expect(issue.line).toBe(2);
    expect(issue.message).toMatch(/^not valid YAML: /);
  });
});

describe("YamlDocument.locate()", () => {
  const text = [
    "top: 1", // 1
    "section:", // 2
    "  list: [a, {k: 7}]", // 3
    "  block:", // 4
    "    - x: 1", // 5
    "      y: &anchor {z: 2}", // 6
    "  empty:", // 7
    "again: *anchor", // 8
    "merged:", // 9
    "  <<: *anchor", // 10
    "  own: 1", // 11
    "3: three", // 12
  ].join("\n");
  const document = parseYaml(text, "dir/x.yaml");
  const at = (path: (string | number)[], part: "key" | "value" = "value") => {
    const { file, line, column } = document.locate(path, part);
    return `${file}:${line}:${column}`;
  };

  test.each([
    [[], "1:1"],
    [["top"], "1:6"],
    [["section", "list", 0], "3:10"],
    [["section", "list", 1, "k"], "3:17"],
    [["section", "block", 0, "x"], "5:10"],
    [["again", "z"], "6:22"],
    [["merged", "z"], "6:22"],
    [["merged", "own"], "11:8"],
    [["3"], "12:4"],
  ])("finds the value at %j", (path, place) => {
    expect(at(path)).toBe(`dir/x.yaml:${place}`);
  });

  test("finds keys", () => {
    expect(at(["section", "block", 0, "y"], "key")).toBe("dir/x.yaml:6:7");
    expect(at(["merged", "z"], "key")).toBe("dir/x.yaml:6:19");
  });

  test("gives the deepest place on the way when a path leads past what was written", () => {
    expect(at(["top", "deeper", "still"])).toBe("dir/x.yaml:1:6");
    expect(at(["top", "deeper"], "key")).toBe("dir/x.yaml:1:6");
    expect(at(["section", "list", 5])).toBe("dir/x.yaml:3:9");
    expect(document.depth(["section", "list", 5])).toBe(2);
  });

  test("locateGap() points at the key of a block mapping and at the brace of a flow mapping", () => {
    expect(document.locateGap(["section"])).toMatchObject({ line: 2, column: 1 });
    expect(document.locateGap(["section", "list", 1])).toMatchObject({ line: 3, column: 13 });
    expect(document.locateGap([])).toMatchObject({ line: 1, column: 1 });
  });

  test("shows the line with a caret", () => {
    expect(document.locate(["section", "list", 1, "k"], "value").excerpt).toBe(
      ["  list: [a, {k: 7}]", "                ^"].join("\n"),
    );
  });

  test("cuts long lines around the caret", () => {
    const long = parseYaml(`cids: [${Array.from({ length: 200 }, (_, i) => i).join(", ")}]\n`, "x.yaml");
    const [line, caret] = long.locate(["cids", 150], "value").excerpt.split("\n");
    expect(line!.length).toBeLessThan(115);
    expect(line!.slice(caret!.length - 1)).toMatch(/^150, /);
  });

  test("written() gives values as written", () => {
    expect(document.written(["section", "list", 1])).toEqual({ k: 7 });
    expect(document.written(["section", "empty"])).toBeNull();
    expect(document.written(["nowhere"])).toBeUndefined();
  });
});
