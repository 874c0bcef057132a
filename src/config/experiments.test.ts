/**
 * @file The configurations under `experiments/`: their values are the reference's, and they load.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadDatasetConfigs } from "./dataset.ts";
import { loadModelConfig } from "./load.ts";
import { readYaml } from "./yaml.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const models = join(root, "experiments/model_configs");
const datasets = join(root, "experiments/dataset_configs");

function fixture(name: string) {
  return JSON.parse(readFileSync(join(root, "test/fixtures/config", name), "utf8"));
}

const modelValues: Record<string, unknown> = fixture("model_configs.json");
const datasetValues: Record<string, { sessions: string[] }> = fixture("dataset_configs.json");
const sessionValues: Record<"sessions" | "sessions_all_cells", Record<string, { cids: number[] }>> = fixture(
  "session_configs.json",
);
const main = datasetValues.multi_basic_120_long!;

describe("experiments/model_configs", () => {
  const names = readdirSync(models).map((file) => file.replace(/\.yaml$/, ""));

  test("holds the eleven models of the reference", () => {
    expect(names).toEqual(expect.arrayContaining(Object.keys(modelValues)));
  });

  test.each(names.filter((name) => !(name in modelValues)))(
    "%s, an example of ours, loads and says what it is for",
    (name) => {
      const { config, text } = loadModelConfig(join(models, `${name}.yaml`));
      // A repaired model of the reference keeps the reference's order.
      expect(config.lag_order).toBe(name.endsWith("_patched") ? "newest_first" : "oldest_first");
      expect(text).toMatch(/^# yaml-language-server: .*\n#\n# \w/);
    },
  );

  test.each(Object.entries(modelValues))("%s has the reference's values and key order, and loads", (name, values) => {
    const path = join(models, `${name}.yaml`);
    expect(JSON.stringify(readYaml(path).value)).toBe(JSON.stringify(values));
    expect(loadModelConfig(path).config).toMatchObject(values as object);
  });
});

/** Files of the reference that name no sessions, and the file whose sessions they got here. */
const repaired: Record<string, string> = {
  multi_basic_120: "multi_basic_120_backimage_all",
  multi_cones_120: "multi_cones_120_backimage_all",
  multi_raisedcosine_120: "multi_raisedcosine_120_backimage_all",
};

describe("experiments/dataset_configs", () => {
  // A file of another schema, which nothing reads.
  const { polar_v1_test: _, ...datasetsOfSessions } = datasetValues;

  test("holds every dataset of the reference that is made of sessions", () => {
    const files = readdirSync(datasets).filter((file) => file.endsWith(".yaml"));
    expect(files.map((file) => file.replace(/\.yaml$/, "")).sort()).toEqual(Object.keys(datasetsOfSessions).sort());
  });

  test.each(Object.entries(datasetsOfSessions))(
    "%s has the reference's values and key order, and loads",
    (name, values) => {
      const path = join(datasets, `${name}.yaml`);
      const value = readYaml(path).value as Record<string, unknown>;
      const donor = repaired[name];
      if (donor === undefined) expect(JSON.stringify(value)).toBe(JSON.stringify(values));
      else {
        const { session_dir, sessions, ...rest } = value;
        expect(JSON.stringify(rest)).toBe(JSON.stringify(values));
        expect({ session_dir, sessions }).toEqual({
          session_dir: "./sessions",
          sessions: datasetValues[donor]!.sessions,
        });
      }
      const { sessions, warnings } = loadDatasetConfigs(path);
      expect(sessions.map(({ session }) => session)).toEqual(value.sessions);
      for (const warning of warnings) expect(warning).toMatch(/theshold: read as|smooth: /);
    },
  );

  test.each(["sessions", "sessions_all_cells"] as const)("%s has the reference's values and key order", (folder) => {
    const values = sessionValues[folder];
    expect(readdirSync(join(datasets, folder)).sort()).toEqual(
      Object.keys(values)
        .map((name) => `${name}.yaml`)
        .sort(),
    );
    for (const [name, expected] of Object.entries(values)) {
      const { value } = readYaml(join(datasets, folder, `${name}.yaml`));
      expect(JSON.stringify(value), name).toBe(JSON.stringify(expected));
    }
  });

  test("multi_basic_120_long loads: 30 sessions, 2,790 units, one warning", () => {
    const path = join(datasets, "multi_basic_120_long.yaml");
    const { sessions, warnings } = loadDatasetConfigs(path);
    expect(sessions.map(({ session }) => session)).toEqual(main.sessions);
    expect(sessions.reduce((units, { cids }) => units + cids.length, 0)).toBe(2790);
    expect(sessions.every(({ n_lags }) => n_lags === 32)).toBe(true);
    expect(warnings).toEqual([
      expect.stringMatching(
        /multi_basic_120_long\.yaml:\d+:\d+ datafilters\.dfs\.ops\.1\.missing_pct\.theshold: read as/,
      ),
    ]);
  });
});

test("every experiment file starts with a schema that exists, and says what it is for", () => {
  const files = readdirSync(join(root, "experiments"), { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => name.endsWith(".yaml"))) {
    const path = join(root, "experiments", file);
    const [first, second, third] = readFileSync(path, "utf8").split("\n");
    const schema = first!.match(/^# yaml-language-server: \$schema=(\S+)$/)?.[1];
    expect(schema, file).toBeDefined();
    expect(existsSync(join(dirname(path), schema!)), `${file}: ${schema}`).toBe(true);
    expect([second, third], file).toEqual(["#", expect.stringMatching(/^# \S.{40}/)]);
  }
});
