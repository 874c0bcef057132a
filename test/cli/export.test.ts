import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LazyArray } from "../../src/formats/lazy.ts";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { openTorchFile } from "../../src/formats/torchfile.ts";
import { setNumThreads } from "../../src/torch/index.ts";
import { openModelFile, saveModelFile } from "../../src/training/model-file.ts";
import { tinyInfo, tinyTwin } from "../../src/training/tiny-checkpoint.fake.ts";
import { type CliResult, runCli } from "./run-cli.ts";

setNumThreads(1);

const folder = mkdtempSync(join(tmpdir(), "cli-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FULL_DISK = resolve(import.meta.dirname, "full-disk.mjs");

function run(command: string, env?: Record<string, string>): Promise<CliResult> {
  return runCli(command.split(" "), { cwd: folder, ...(env && { env }) });
}

async function refusal(command: string, env?: Record<string, string>): Promise<string> {
  const { status, stdout, stderr } = await run(command, env);
  expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: "" });
  expect(stderr).not.toMatch(/\n {4}at |defect/);
  return stderr;
}

function names(path: string): string[] {
  return [...(openTorchFile(join(folder, path)).root as Map<string, LazyArray>).keys()];
}

let expected: string[];

beforeAll(() => {
  mkdirSync(join(folder, "run"));
  const info = tinyInfo();
  const twin = tinyTwin(0);
  expected = [...twin.stateDict().keys()];
  for (const [name, val_bps_overall] of [
    ["last", 0.9],
    ["epoch=00-val_bps_overall=0.3000", 0.3],
  ] as const) {
    saveModelFile(join(folder, "run", `${name}.safetensors`), twin, { ...info, metrics: { val_bps_overall } });
  }
  const corrected = { ...info.model_config, lag_order: "oldest_first" } as const;
  saveModelFile(join(folder, "twin.safetensors"), twin, { ...info, model_config: corrected });
  twin.dispose();
});

test("export writes the state_dict of a run's best checkpoint and prints where", async () => {
  const { status, stdout, stderr } = await run("export run");
  expect({ status, stdout }, stderr).toEqual({ status: 0, stdout: "epoch=00-val_bps_overall=0.3000.pt\n" });
  expect(stderr).toBe(
    `${join("run", "epoch=00-val_bps_overall=0.3000.safetensors")}: ${expected.length} tensors, float32\n`,
  );
  expect(names("epoch=00-val_bps_overall=0.3000.pt")).toEqual(expected);
});

test("export warns of what the reference computes differently", async () => {
  const { status, stderr } = await run("export twin.safetensors --output corrected.pt --prefix net.");
  expect(status, stderr).toBe(0);
  expect(stderr).toContain(
    'warning: PyTorch code of the reference will not give the same rates: lag_order is "oldest_first"',
  );
  expect(names("corrected.pt")[0]).toBe(`net.${expected[0]}`);
});

test("export writes Lightning checkpoints and safetensors, in other element types too", async () => {
  for (const flags of ["--lightning", "--format safetensors --dtype bfloat16"]) {
    const { status, stderr } = await run(`export run/last.safetensors ${flags}`);
    expect(status, stderr).toBe(0);
  }
  const lightning = openTorchFile(join(folder, "last.ckpt")).root as Map<string, unknown>;
  expect([...(lightning.get("state_dict") as Map<string, unknown>).keys()]).toEqual(
    expected.map((name) => `model.${name}`),
  );
  const bare = openSafetensors(join(folder, "last.weights.safetensors"));
  expect([...bare.tensors.keys()]).toEqual(expected);
  expect([...bare.tensors.values()].every(({ dtype }) => dtype === "bfloat16")).toBe(true);
  bare.close();
});

test("export replaces a file only when told to, and never the model file", async () => {
  writeFileSync(join(folder, "mine.pt"), "precious");
  expect(await refusal("export twin.safetensors --output mine.pt")).toBe(
    'error: Cannot export to "mine.pt": there is a file of that name\nhint: Choose another --output, or replace it with --force.\n',
  );
  expect(readFileSync(join(folder, "mine.pt"), "utf8")).toBe("precious");
  const forced = await run("export twin.safetensors --output mine.pt --force");
  expect(forced.status, forced.stderr).toBe(0);
  expect(names("mine.pt")).toEqual(expected);
  const onto = "export twin.safetensors --format safetensors --output twin.safetensors --force";
  expect(await refusal(onto)).toContain('Cannot export to "twin.safetensors": it is the model file itself');
  using file = openModelFile(join(folder, "twin.safetensors"));
  expect(file.info.sessions).toHaveLength(3);
});

test("export says what is wrong with its input", async () => {
  expect(await refusal("export nowhere")).toContain(
    'Cannot find the checkpoint "nowhere": there is no such file or folder',
  );
  expect(await refusal("export twin.safetensors --lightning --format safetensors")).toContain(
    "error: --lightning goes with --format pytorch",
  );
  expect(await refusal("export twin.safetensors --dtype float8")).toContain(
    "Allowed choices are float32, bfloat16, float16",
  );
  expect(await refusal("export twin.safetensors --output no/such/folder/x.pt")).toContain(
    'hint: Create the folder "no/such/folder" first.',
  );
  copyFileSync(join(folder, "last.weights.safetensors"), join(folder, "weights.safetensors"));
  expect(await refusal("export weights.safetensors")).toContain("carry no description of a VisionCore model");
});

test("export leaves no file behind when the disk is full, and an old one intact", async () => {
  writeFileSync(join(folder, "old.pt"), "old");
  const env = { NODE_OPTIONS: `--import ${FULL_DISK}`, VISIONCORE_FREE_BYTES: "6000" };
  expect(await refusal("export twin.safetensors --output new.pt", env)).toContain(
    'Cannot write "new.pt": no space left on the disk',
  );
  expect(existsSync(join(folder, "new.pt"))).toBe(false);
  expect(await refusal("export twin.safetensors --output old.pt --force", env)).toContain(
    "the previous file is intact",
  );
  expect(readFileSync(join(folder, "old.pt"), "utf8")).toBe("old");
  expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});
