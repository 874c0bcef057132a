import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { appUrl, netrcPassword, wandbAccount } from "./wandb-account.ts";

const folder = mkdtempSync(join(tmpdir(), "netrc-"));
afterAll(() => rmSync(folder, { recursive: true }));
const NETRC = join(folder, "netrc");

test("netrcPassword() finds the machine's, else the default's", () => {
  const text =
    "machine github.com login me password no\nmachine api.wandb.ai\n  login user\n  password yes\ndefault password any\n";
  expect(netrcPassword(text, "api.wandb.ai")).toBe("yes");
  expect(netrcPassword(text, "wandb.lab.org")).toBe("any");
  expect(netrcPassword("machine a login user", "a")).toBeUndefined();
  expect(netrcPassword("", "a")).toBeUndefined();
});

describe("wandbAccount()", () => {
  test("takes the key from the environment before that of the file", () => {
    writeFileSync(NETRC, "machine api.wandb.ai login user password from-file");
    expect(wandbAccount({ NETRC, WANDB_API_KEY: " key\n" })).toEqual({
      baseUrl: "https://api.wandb.ai",
      apiKey: "key",
    });
    expect(wandbAccount({ NETRC })).toMatchObject({ apiKey: "from-file" });
  });

  test("takes the key of its own server", () => {
    writeFileSync(
      NETRC,
      "machine wandb.lab.org login user password lab machine api.wandb.ai login user password public",
    );
    expect(wandbAccount({ NETRC, WANDB_BASE_URL: "https://wandb.lab.org:8080/" })).toEqual({
      baseUrl: "https://wandb.lab.org:8080",
      apiKey: "lab",
    });
  });

  test("says where it looked for a key, and where to get one", () => {
    const missing = join(folder, "missing");
    expect(() => wandbAccount({ NETRC: missing })).toThrow(
      expect.objectContaining({
        name: "UserError",
        message: `Cannot log to W&B: no API key for api.wandb.ai in WANDB_API_KEY or "${missing}"`,
        hint: expect.stringContaining("https://wandb.ai/authorize"),
      }),
    );
  });

  test("refuses addresses that are none", () => {
    for (const address of ["wandb.lab.org", "ftp://wandb.lab.org"]) {
      expect(() => wandbAccount({ WANDB_API_KEY: "x", WANDB_BASE_URL: address })).toThrow(
        `WANDB_BASE_URL is "${address}"`,
      );
    }
  });
});

test("appUrl() is where the pages are", () => {
  expect(appUrl("https://api.wandb.ai")).toBe("https://wandb.ai");
  expect(appUrl("https://wandb.lab.org")).toBe("https://wandb.lab.org");
});
