import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { type JsonSchemaName, jsonSchemas } from "./json-schema.ts";

const folder = fileURLToPath(new URL("../../schema", import.meta.url));

describe("jsonSchemas()", () => {
  // After a change of the schemas: npx vitest run src/config/json-schema.test.ts --update
  test.each(Object.entries(jsonSchemas()))("equals the committed %s", async (name, text) => {
    await expect(text).toMatchFileSnapshot(`${folder}/${name}`);
  });

  test("covers the committed files", () => {
    expect(readdirSync(folder).sort()).toEqual(Object.keys(jsonSchemas()).sort());
  });

  test.each<[JsonSchemaName, string[]]>([
    ["model.schema.json", ["convnet"]],
    ["dataset.schema.json", ["session_dir", "sessions"]],
    ["session.schema.json", ["cids"]],
    ["mapping.schema.json", ["session", "type", "keys"]],
  ])("asks for little in %s and refuses unknown keys", (name, required) => {
    const schema = JSON.parse(jsonSchemas()[name]);
    expect(schema.$schema).toBe("http://json-schema.org/draft-07/schema#");
    expect(schema.required).toEqual(required);
    expect(schema.additionalProperties).toBe(false);
  });
});
