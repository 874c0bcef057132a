import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openSafetensors } from "../formats/safetensors.ts";
import { verifyDigests } from "./recording-digests.ts";
import { writeRecording } from "./recording-files.ts";
import { fakeRecording } from "./session.fake.ts";

const RAW = join(import.meta.dirname, "../../test/fixtures/data/raw/Syn_2020-01-01");

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "visioncore-verify-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

/** Changes one byte of a file. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

describe("verifyDigests()", () => {
  test("accepts what was written, and finds one changed bit of a covariate by its digest", () => {
    const root = folder();
    writeRecording(root, fakeRecording("gaborium"));
    expect(verifyDigests(root, "gaborium")).toBe("sha256");
    const path = join(root, "gaborium.safetensors");
    flip(path, openSafetensors(path).tensor("eyepos").location!.offset + 100);
    expect(() => verifyDigests(root, "gaborium", "Fake_2020-01-01")).toThrow(
      expect.objectContaining({
        name: "UserError",
        message: expect.stringContaining('"Fake_2020-01-01/gaborium" is damaged: the bytes of eyepos do not'),
        hint: expect.stringContaining("again"),
      }),
    );
  });

  test("finds one changed bit of a .dset by its checksums", () => {
    const root = folder();
    const path = join(root, "gaborium.dset");
    copyFileSync(join(RAW, "gaborium.dset"), path);
    expect(verifyDigests(root, "gaborium")).toBe("crc32");
    const bytes = readFileSync(path);
    // The middle of such a file is the stimulus.
    flip(path, Math.floor(bytes.length / 2));
    expect(() => verifyDigests(root, "gaborium")).toThrow(/gaborium\.dset.*checksum of its entry "gaborium\/data\/\d/);
  });

  test("says when a file states nothing, and when there is none", () => {
    const root = folder();
    writeRecording(root, fakeRecording("gaborium"));
    rmSync(join(root, "gaborium.json"));
    expect(verifyDigests(root, "gaborium")).toBe("none");
    expect(verifyDigests(root, "backimage")).toBeNull();
  });
});
