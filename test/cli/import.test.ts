import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors.ts";
import { runCli } from "./run-cli.ts";

const fixtures = resolve(import.meta.dirname, "../fixtures/interop");
const folder = mkdtempSync(join(tmpdir(), "cli-import-"));
afterAll(() => rmSync(folder, { recursive: true }));

const checkpoint = join(folder, "epoch=04.ckpt");
copyFileSync(join(fixtures, "resnet_convgru.ckpt"), checkpoint);
const output = join(folder, "epoch=04.safetensors");

describe("visioncore import", () => {
  test("writes a model file beside the checkpoint, says what it did and what to do next", async () => {
    const { status, stdout, stderr } = await runCli(["import", checkpoint]);
    expect({ status, stderr }).toEqual({
      status: 0,
      stderr: "note: names of sessions and identities of units are unknown; without a dataset file both are numbered\n",
    });
    expect(stdout.split("\n")).toEqual([
      `${checkpoint}: Lightning checkpoint, epoch 5, 300 steps`,
      "v1multi: convnet resnet, modulator none, recurrent convgru, readout gaussian",
      "2 sessions, 7 units, 12,235 numbers in 41 tensors",
      "session    units",
      "session_0      3",
      "session_1      4",
      "not imported: loops, callbacks, optimizer_states, lr_schedulers, hyper_parameters.loss (torch.nn.modules.linear.Identity)",
      output,
      `next: visioncore inspect checkpoint ${output}`,
      "",
    ]);
    const inspected = await runCli(["inspect", "checkpoint", output]);
    expect(inspected).toMatchObject({ status: 0, stderr: "" });
    expect(inspected.stdout).toContain("imported from epoch=04.ckpt (Lightning checkpoint)");
  });

  test("replaces a model file only when told to", async () => {
    const before = readFileSync(output);
    const refused = await runCli(["import", checkpoint]);
    expect(refused).toMatchObject({ status: 1, stdout: "" });
    expect(refused.stderr).toContain(`Cannot import to "${output}": the file exists`);
    expect(refused.stderr).toContain("--force");
    expect(Buffer.compare(readFileSync(output), before)).toBe(0);
    expect((await runCli(["import", checkpoint, "--force"])).status).toBe(0);
    expect(Buffer.compare(readFileSync(output), before)).not.toBe(0);
  });

  test("never replaces the file it reads", async () => {
    const weights = join(folder, "weights.safetensors");
    copyFileSync(join(fixtures, "views.safetensors"), weights);
    const { status, stderr } = await runCli(["import", weights, "--output", weights, "--force"]);
    expect(status).toBe(1);
    expect(stderr).toContain("onto itself");
  });

  test("prints JSON", async () => {
    const path = join(folder, "json.safetensors");
    const { status, stdout } = await runCli(["import", checkpoint, "--output", path, "--json"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      checkpoint,
      output: path,
      info: { epoch: 4, sessions: [{ nUnits: 3 }, { nUnits: 4 }], imported: { hyper_parameters: { lr: 1e-3 } } },
    });
    expect(openSafetensors(path).tensors.size).toBe(41);
  });

  test.each<[string, () => string[], string[]]>([
    ["a missing file", () => [join(folder, "epoch=03.ckpt")], ["no such file", "Did you mean", "epoch=04.ckpt"]],
    ["a folder", () => [folder], ["it is a folder, not a file"]],
    [
      "an output of another kind",
      () => [checkpoint, "--output", "twin.pt"],
      ["Expected a name that ends in .safetensors"],
    ],
    [
      "an output in no folder",
      () => [checkpoint, "--output", join(folder, "no", "twin.safetensors")],
      ["Cannot write", "Create the folder"],
    ],
    [
      "a configuration of another model",
      () => {
        const path = join(folder, "other.yaml");
        writeFileSync(path, "model_type: v1multi\nconvnet: { type: none }\n");
        return [checkpoint, "--model-config", path, "--output", join(folder, "other.safetensors")];
      },
      ["unexpected in the file", "convnet.stem.components.conv", "hint: Pass the configuration it was trained with"],
    ],
    [
      "a checkpoint cut short",
      () => {
        const path = join(folder, "short.ckpt");
        writeFileSync(path, readFileSync(checkpoint).subarray(0, 50_000));
        return [path];
      },
      ["cut short after 50000 bytes"],
    ],
  ])("says what is wrong with %s, and leaves nothing behind", async (_, args, parts) => {
    const given = args();
    const before = readdirSync(folder);
    const { status, stdout, stderr } = await runCli(["import", ...given]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    for (const part of parts) expect(stderr).toContain(part);
    expect(stderr).not.toContain("    at ");
    expect(readdirSync(folder)).toEqual(before);
  });

  test("other commands point here", async () => {
    const { status, stderr } = await runCli(["inspect", "checkpoint", checkpoint]);
    expect(status).toBe(1);
    expect(stderr).toContain(`visioncore import ${checkpoint}`);
    expect(existsSync(checkpoint)).toBe(true);
  });
});
