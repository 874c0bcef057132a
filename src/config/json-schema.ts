/**
 * @file JSON Schemas of the configuration files, for completion and checks in editors.
 *
 * The copies under `schema/` are what the first line of each YAML file points to; a test keeps them equal to this.
 * They describe canonical spelling: what `normalize.ts` rewrites is accepted when loading and underlined by an editor.
 */

import { z } from "zod";
import { ParentFileSchema, SessionFileSchema } from "./dataset.ts";
import { MappingFileSchema } from "./mapping-file.ts";
import { ModelConfigSchema } from "./model.ts";
import { SweepFileSchema } from "./sweep-file.ts";

const SCHEMAS = {
  "model.schema.json": ModelConfigSchema,
  "dataset.schema.json": ParentFileSchema,
  "session.schema.json": SessionFileSchema,
  "mapping.schema.json": MappingFileSchema,
  "sweep.schema.json": SweepFileSchema,
};

/** Name of a schema file. */
export type JsonSchemaName = keyof typeof SCHEMAS;

/** Text of every schema file by name (draft 7, which the YAML language server reads). */
export function jsonSchemas(): Record<JsonSchemaName, string> {
  const entries = Object.entries(SCHEMAS).map(([name, schema]) => [
    name,
    `${JSON.stringify(toJsonSchema(schema), null, 1)}\n`,
  ]);
  return Object.fromEntries(entries) as Record<JsonSchemaName, string>;
}

function toJsonSchema(schema: z.ZodType): object {
  return z.toJSONSchema(schema, {
    target: "draft-7",
    io: "input",
    override: ({ jsonSchema }) => {
      // Every whole number gets the bounds of JavaScript's exact integers: noise to a reader.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
}
