/**
 * @file A model file by itself: all configurations gone, recordings moved or changed.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Recording } from "../../src/data/recording.ts";
import { openRecording, writeRecording } from "../../src/data/recording-files.ts";
import type { NdArray } from "../../src/formats/array.ts";
import { type CliResult, fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-model-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

const SESSIONS = ["Synth_2024-01-01", "Synth_2024-01-02"] as const;
const elsewhere = join(folder, "elsewhere");
const twin = join(elsewhere, "twin.safetensors");
/** The table of scores when everything was still in its place. */
let table: string;

function run(command: string): Promise<CliResult> {
  return runCli(command.split(" "), { cwd: elsewhere });
}

async function succeed(command: string): Promise<CliResult> {
  const result = await run(command);
  expect(result.status, result.stderr).toBe(0);
  return result;
}

async function refusal(command: string): Promise<string> {
  const { status, stdout, stderr } = await run(command);
  expect({ status, stdout }, stderr).toEqual({ status: 1, stdout: "" });
  expect(stderr).not.toMatch(/\n {4}at |defect/);
  return stderr;
}

const evaluate = `eval --device cpu --checkpoint twin.safetensors`;

beforeAll(async () => {
  mkdirSync(elsewhere);
  copyFileSync(fixture("tiny-model.yaml"), join(elsewhere, "model.yaml"));
  await succeed("synth ../data --preset tiny --sessions 2");
  const sizes = "--batch-size 16 --steps-per-epoch 4 --max-epochs 1 --limit-val-batches 2 --precision 32";
  await succeed(
    `train --device cpu --model-config model.yaml --dataset-configs ../data/dataset.yaml --experiment-name run ${sizes}`,
  );
  const [best] = readdirSync(join(elsewhere, "checkpoints/run")).filter((name) =>
    /^epoch.*\d\.safetensors$/.test(name),
  );
  copyFileSync(join(elsewhere, "checkpoints/run", best!), twin);
  table = (await succeed(evaluate)).stdout;
  expect(table).toContain(SESSIONS[1]);

  rmSync(join(elsewhere, "checkpoints"), { recursive: true });
  rmSync(join(elsewhere, "model.yaml"));
  rmSync(join(folder, "data/dataset.yaml"));
  rmSync(join(folder, "data/sessions"), { recursive: true });
});

test("eval gives the same scores without any other file but the recordings", async () => {
  expect(readdirSync(elsewhere)).toEqual(["twin.safetensors"]);
  const { stdout, stderr } = await succeed(evaluate);
  expect(stdout).toBe(table);
  expect(stderr).not.toContain("warning");
});

test("inspect checkpoint shows input, preprocessing and hashes", async () => {
  const { stdout } = await succeed("inspect checkpoint twin.safetensors");
  expect(stdout).toContain("\ninput: 12 lags of 15 x 15 pixels, newest first\n2 sessions, 12 units, ");
  expect(stdout).toMatch(/^Synth_2024-01-01 +6 +120 +uint8, \(x − 127\) \/ 255 +\d+ +\d\.\d{4}/m);
  expect(stdout).toContain("\npreprocessing:\n  types: backimage, gaborium, gratings\n");
  expect(stdout).toContain("\n  frames: 240 Hz down-sampled to 120 Hz\n  stim: stim → pixelnorm");
  expect(stdout).toMatch(/\n {2}dfs: valid_nlags\(n_lags \d+\)/);
  expect(stdout).toContain("stim 0 to 11");
  expect(stdout).toMatch(/\nSHA-256, as saved: parameters [0-9a-f]{16}…, model config [0-9a-f]{16}…, sessions/);
  const { info } = JSON.parse((await succeed("inspect checkpoint twin.safetensors --json")).stdout)[0];
  expect(info.sessions[0]).toMatchObject({ subject: "Synth", date: "2024-01-01", frameRate: 120 });
});

test("eval scores the sessions that are asked for, and names those it has when there is no such one", async () => {
  const { stdout } = await succeed(`${evaluate} --sessions ${SESSIONS[1]}`);
  expect(stdout).toContain(SESSIONS[1]);
  expect(stdout).not.toContain(SESSIONS[0]);
  expect(await refusal(`${evaluate} --sessions Synth_2024-01-03`)).toBe(
    'error: Cannot use session "Synth_2024-01-03" of "twin.safetensors": it has Synth_2024-01-01, Synth_2024-01-02\n' +
      'hint: Did you mean "Synth_2024-01-01"?\n',
  );
});

test("a parameter damaged in one bit is refused, by eval, inspect and export", async () => {
  const bytes = readFileSync(twin);
  bytes[bytes.length - 2]! ^= 4;
  writeFileSync(join(elsewhere, "bit.safetensors"), bytes);
  const commands = [
    "eval --device cpu --checkpoint bit.safetensors",
    "inspect checkpoint bit.safetensors",
    "export bit.safetensors",
  ];
  for (const command of commands) {
    expect(await refusal(command)).toContain('Cannot load "bit.safetensors": its parameters are damaged: ');
  }
  expect(readdirSync(elsewhere).sort()).toEqual(["bit.safetensors", "twin.safetensors"]);
});

describe("recordings", () => {
  /** The recordings of the first session with a column changed, in a folder of their own. */
  function changed(name: string, keys: readonly string[], change: (array: NdArray) => NdArray): void {
    for (const type of ["backimage", "gaborium", "gratings"]) {
      const source = openRecording(join(folder, "data", SESSIONS[0]), type)!;
      const columns = source
        .keys()
        .map((column) => [column, keys.includes(column) ? change(source.get(column)) : source.get(column)] as const);
      writeRecording(join(folder, name, SESSIONS[0]), new Recording(type, columns, source.metadata));
    }
  }

  test("of another frame size are refused with both sizes", async () => {
    changed("cropped", ["stim"], ({ dtype, shape, data }) => {
      const [frames, height, width] = shape as [number, number, number];
      const kept = (data as Uint8Array).filter((_, i) => i % width < width - 2);
      return { dtype, shape: [frames, height, width - 2], data: kept };
    });
    expect(await refusal(`${evaluate} --data-dir ../cropped`)).toContain(
      `Cannot use session "${SESSIONS[0]}" with "twin.safetensors": it has stimuli of 15 x 13 pixels, the file expects 15 x 15\n`,
    );
  });

  test("with fewer units are scored for those, and the missing ones are listed", async () => {
    changed("fewer", ["robs", "true_rates"], ({ dtype, shape, data }) => {
      const [frames, units] = shape as [number, number];
      const kept = (data as Float32Array).filter((_, i) => i % units < 4);
      return { dtype, shape: [frames, 4], data: kept };
    });
    const { stdout, stderr } = await succeed(`${evaluate} --data-dir ../fewer --sessions ${SESSIONS[0]}`);
    expect(stderr).toContain(`warning: ${SESSIONS[0]}: the data have no unit 4, 5 of the twin; 4 are scored`);
    expect(stdout).toMatch(/^Synth_2024-01-01 +4 /m);
  });

  test("that are others of the same shape are scored, with a warning", async () => {
    changed("other", ["robs"], ({ dtype, shape, data }) => ({
      dtype,
      shape,
      data: (data as Float32Array).map((count) => count + 1),
    }));
    const { stderr } = await succeed(`${evaluate} --data-dir ../other --sessions ${SESSIONS[0]}`);
    expect(stderr).toContain(`warning: The recordings of ${SESSIONS[0]} are not those that the twin was trained on`);
  });

  test("that were moved are found with --data-dir, which the message names", async () => {
    renameSync(join(folder, "data"), join(folder, "moved"));
    expect(await refusal(evaluate)).toBe(
      `error: Cannot find the recordings of session "${SESSIONS[0]}" of "twin.safetensors": they were in "${join(folder, "data")}"\n` +
        `hint: Name the folder that holds the session's folder now: --data-dir <dir>, with <dir>/${SESSIONS[0]} in it.\n`,
    );
    const { stdout, stderr } = await succeed(`${evaluate} --data-dir ../moved`);
    expect(stdout).toBe(table);
    expect(stderr).not.toContain("warning");
  });
});
