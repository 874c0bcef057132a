/**
 * @file `visioncore schema`: JSON Schemas of the configuration files, for completion and checks in editors.
 */
import { join } from "node:path";
import type { Command } from "commander";
import { describeCommand } from "../command.ts";
import { print } from "../terminal.ts";

/** The `schema` command. */
export function schemaCommand(): Command {
  return describeCommand(
    "schema",
    "Write the JSON Schemas of model, dataset, session, mapping and sweep files for your editor.",
    ["schema --out schema", 'echo "# yaml-language-server: $schema=schema/model.schema.json" | cat - my_model.yaml'],
  )
    .option("--out <dir>", "folder to write to; made if missing", "schema")
    .action(async ({ out }: { out: string }) => {
      const { jsonSchemas } = await import("../../config/json-schema.ts");
      const { writeFileAtomic } = await import("../../formats/atomic.ts");
      const { makeFolder } = await import("../../formats/folder.ts");
      makeFolder(out);
      for (const [name, text] of Object.entries(jsonSchemas())) {
        writeFileAtomic(join(out, name), text);
        print(join(out, name));
      }
    });
}
