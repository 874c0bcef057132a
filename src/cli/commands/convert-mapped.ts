/**
 * @file `visioncore convert mapped` and `convert list`: MATLAB, numpy and HDF5 files through a mapping file.
 */
import { existsSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import type { Command } from "commander";
import { UserError } from "../../errors.ts";
import { describeCommand } from "../command.ts";
import { formatTable, note, print, printJson } from "../terminal.ts";

/** The `convert mapped` command. */
export function mappedCommand(): Command {
  return describeCommand(
    "convert mapped",
    "Convert MATLAB, .npz, .npy and HDF5 files as a mapping file says, and write the files to train on them.",
    ["convert list recording.mat --write-mapping mapping.yaml", "convert mapped mapping.yaml --out data"],
  )
    .argument("<mapping>", "YAML file that says which array becomes which covariate")
    .option("--out <dir>", "folder to write to; made if missing", "data")
    .option("--overwrite", "replace files that are there already with other content")
    .action(async (mapping: string, { out, overwrite }: { out: string; overwrite?: boolean }) => {
      const { convertMapped } = await import("../convert/mapped.ts");
      const done = await convertMapped({ mapping, out, overwrite: overwrite === true });
      for (const warning of done.warnings) note(`warning: ${warning}`);
      print(
        `${done.session}/${done.type}: ${done.frames} frames of ${done.height} x ${done.width} pixels, ` +
          `${done.units} units, ${done.trials} trials, keys ${done.keys.join(", ")}; read back and compared`,
      );
      print(done.sessionFile);
      print(done.datasetFile);
    });
}

/** The `convert list` command. */
export function listCommand(): Command {
  return describeCommand(
    "convert list",
    "List what is in a MATLAB, .npz, .npy or HDF5 file, under the names that a mapping file uses.",
    [
      "convert list recording.mat",
      "convert list kilosort/ --json",
      "convert list recording.npz --write-mapping mapping.yaml",
    ],
  )
    .argument("<file>", "file, or folder of .npy files")
    .option("--json", "print JSON")
    .option("--write-mapping <file>", "draft a mapping file, guessed from names and shapes")
    .action(async (file: string, { json, writeMapping }: { json?: boolean; writeMapping?: string }) => {
      const { openArraySource } = await import("../convert/array-source.ts");
      using source = await openArraySource(file);
      const entries = source.list();
      if (json) printJson(entries.map(({ name, type, shape }) => ({ name, type, shape })));
      else {
        const rows = entries.map(({ name, type, shape }) => [name, type, `[${shape.join(", ")}]`]);
        print(formatTable(["name", "type", "shape"], rows, 3));
      }
      if (writeMapping === undefined) return;
      if (existsSync(writeMapping)) {
        throw new UserError(`Cannot write "${writeMapping}": it is there already`, { hint: "Name another file." });
      }
      const { draftMapping } = await import("../convert/draft-mapping.ts");
      const { writeFileAtomic } = await import("../../formats/atomic.ts");
      const path = relative(dirname(resolve(writeMapping)), resolve(file)).replaceAll("\\", "/");
      writeFileAtomic(writeMapping, draftMapping(path, entries));
      note(`Wrote ${writeMapping}: check every line, and fill in what says TODO.`);
    });
}
