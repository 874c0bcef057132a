import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fixture, runCli } from "./run-cli.ts";

const folder = mkdtempSync(join(tmpdir(), "cli-errors-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("the command line", () => {
  test("suggests the command and the flag that were meant", async () => {
    const command = await runCli(["trian"]);
    expect(command).toMatchObject({ status: 1, stdout: "" });
    expect(command.stderr).toContain("(Did you mean train?)");
    const flag = await runCli(["doctor", "--jsno"]);
    expect(flag.status).toBe(1);
    expect(flag.stderr).toContain("(Did you mean --json?)");
  });

  test("prints message and hint of a user's mistake, without a stack", async () => {
    const { status, stderr } = await runCli(["inspect", "recording", "nowhere.dset"], { cwd: folder });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: 'error: Cannot inspect "nowhere.dset": there is no such file or folder\n',
    });
  });

  test.each([
    ["--debug", {}],
    ["--json", { VISIONCORE_DEBUG: "1" }],
  ] as const)("shows the stack with %s %o", async (flag, env) => {
    const { status, stderr } = await runCli(["inspect", "recording", "nowhere.dset", flag], { cwd: folder, env });
    expect(status).toBe(1);
    expect(stderr).toMatch(/\n {4}at /);
  });

  test("points at the line of a configuration", async () => {
    const path = join(folder, "model.yaml");
    writeFileSync(path, "model_type: v1multi\nreadout:\n  type: gausian\n");
    const { status, stderr } = await runCli(["inspect", "config", path]);
    expect(status).toBe(1);
    expect(stderr).toContain(`${path}:3:9 readout.type: `);
    expect(stderr).toContain("gaussian");
  });

  test("refuses to verify on a device that does not exist", async () => {
    const { status, stdout, stderr } = await runCli(["verify", folder, "--device", "tpu"]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain('Unknown device "tpu"');
    expect(stderr).toContain('Use "cpu", "cuda"');
  });

  test("says what is missing before it trains", async () => {
    const model = await runCli(["train", "--device", "cpu", "--dataset-configs", "d.yaml"], { cwd: folder });
    expect(model.status).toBe(1);
    expect(model.stderr).toContain("--model-config");
    const data = await runCli(["train", "--device", "cpu", "--model-config", fixture("tiny-model.yaml")], {
      cwd: folder,
    });
    expect(data.status).toBe(1);
    expect(data.stderr).toContain("--dataset-configs");
    expect(data.stderr).not.toContain("    at ");
  });
});
