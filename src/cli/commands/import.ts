/**
 * @file `visioncore import`: a checkpoint of the reference, or of another program with its names, as a model file.
 */
import { extname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { describeCommand } from "../command.ts";
import { note, print, printJson } from "../terminal.ts";
import { wholeNumber } from "../values.ts";

interface ImportFlags {
  modelConfig?: string;
  datasetConfigs?: string;
  output?: string;
  force?: boolean;
  lags?: number;
  height?: number;
  width?: number;
  json?: boolean;
}

/** The `import` command. */
export function importCommand(): Command {
  return describeCommand(
    "import",
    "Make a model file of a PyTorch or Lightning checkpoint. Nothing in it is executed.",
    [
      "import last.ckpt --dataset-configs experiments/dataset_configs/multi_basic_120_long.yaml",
      "import state_dict.pt --model-config experiments/model_configs/demo.yaml --output twin.safetensors",
      "import weights.safetensors --model-config experiments/model_configs/demo.yaml",
    ],
  )
    .argument("<checkpoint>", "Lightning checkpoint (.ckpt), or a state_dict (.pt, .pth, .safetensors)")
    .option("--model-config <file>", "model YAML (default: the configuration in the checkpoint)")
    .option("--dataset-configs <file>", "dataset YAML of the training run: names and units of the sessions")
    .option("--output <file>", "model file to write (default: beside the checkpoint)", modelFile)
    .option("--force", "replace the model file if it exists")
    .option(
      "--lags <frames>",
      "stimulus frames of a sample; models with weights per pixel need all three sizes (default: from the dataset file)",
      wholeNumber(1),
    )
    .option("--height <pixels>", "of a frame (default: from the recordings, if they are here)", wholeNumber(1))
    .option("--width <pixels>", "of a frame", wholeNumber(1))
    .option("--json", "print what was imported as JSON")
    .action(async (checkpoint: string, { lags, height, width, json, ...flags }: ImportFlags) => {
      const { formatImport, importModel } = await import("../import-model.ts");
      const summary = importModel(checkpoint, { ...flags, input: { frames: lags, height, width } });
      if (json) printJson(summary);
      else print(formatImport(summary));
      for (const text of summary.info.imported.notes) note(`note: ${text}`);
    });
}

function modelFile(text: string): string {
  if (extname(text) === ".safetensors") return text;
  throw new InvalidArgumentError("Expected a name that ends in .safetensors.");
}
