/**
 * @file `visioncore export`: the weights of a twin for other programs.
 */
import { existsSync, realpathSync } from "node:fs";
import { basename, extname } from "node:path";
import { type Command, Option } from "commander";
import { UserError } from "../../errors.ts";
import { describeCommand } from "../command.ts";
import { note, print } from "../terminal.ts";

interface ExportFlags {
  format: "pytorch" | "safetensors";
  output?: string;
  prefix?: string;
  lightning?: boolean;
  dtype: "float32" | "bfloat16" | "float16";
  force?: boolean;
}

/** The `export` command. */
export function exportCommand(): Command {
  return describeCommand("export", "Write a twin's weights as a PyTorch state_dict or as bare safetensors.", [
    "export checkpoints/my_run --output twin.pt",
    "export twin.safetensors --lightning --output last.ckpt",
    "export twin.safetensors --format safetensors --dtype bfloat16",
  ])
    .argument("<checkpoint>", "model file, or the folder of a run for its best checkpoint")
    .addOption(
      new Option("--format <name>", "pytorch for torch.load, safetensors for any program")
        .choices(["pytorch", "safetensors"])
        .default("pytorch"),
    )
    .option("--output <file>", "file to write (default: named after the checkpoint, in this folder)")
    .option("--prefix <text>", "put in front of every name (default: none, with --lightning model.)")
    .addOption(
      new Option(
        "--lightning",
        "pytorch only: a Lightning checkpoint with the model configuration, for the reference's loader",
      ),
    )
    .addOption(
      new Option("--dtype <name>", "element type of the weights")
        .choices(["float32", "bfloat16", "float16"])
        .default("float32"),
    )
    .option("--force", "replace the output file if there is one")
    .action(runExport);
}

async function runExport(checkpoint: string, flags: ExportFlags, command: Command): Promise<void> {
  if (flags.lightning && flags.format !== "pytorch") command.error("error: --lightning goes with --format pytorch");
  const { bestCheckpoint } = await import("../../training/checkpoint-files.ts");
  const { openModelFile } = await import("../../training/model-file.ts");
  const { exportPytorch, exportSafetensors } = await import("../../interop/export-pytorch.ts");
  const path = bestCheckpoint(checkpoint);
  using file = openModelFile(path);
  const output = flags.output ?? outputName(path, flags);
  refuseToReplace(output, path, flags.force ?? false);
  const write = flags.format === "pytorch" ? exportPytorch : exportSafetensors;
  const { names, warnings } = write(file, output, flags);
  for (const warning of warnings) note(`warning: ${warning}`);
  note(`${path}: ${names.length} tensors, ${flags.dtype}`);
  print(output);
}

function outputName(path: string, { format, lightning }: ExportFlags): string {
  const stem = basename(path, extname(path));
  if (format === "safetensors") return `${stem}.weights.safetensors`;
  return lightning ? `${stem}.ckpt` : `${stem}.pt`;
}

function refuseToReplace(output: string, path: string, force: boolean): void {
  if (!existsSync(output)) return;
  if (realpathSync(output) === realpathSync(path)) {
    throw new UserError(`Cannot export to "${output}": it is the model file itself`, {
      hint: "The export has less in it than the model file. Choose another --output.",
    });
  }
  if (force) return;
  throw new UserError(`Cannot export to "${output}": there is a file of that name`, {
    hint: "Choose another --output, or replace it with --force.",
  });
}
