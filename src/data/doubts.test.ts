import { describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import type { NdArray } from "../formats/array.ts";
import { futureDoubts } from "./doubts.ts";
import { prepareSession } from "./prepare.ts";
import { fakeConfig, fakeRecording, fakeSession, withColumns } from "./session.fake.ts";

function float64(value: (frame: number) => number): NdArray {
  return { dtype: "float64", shape: [300], data: Float64Array.from({ length: 300 }, (_, t) => value(t)) };
}

const sampling = { source_rate: 240, target_rate: 120 };

/** Trials of 51 frames, so that every second one starts within a bin, and one frame in 40 without tracking. */
const awkward = withColumns(fakeRecording("gaborium"), {
  trial_inds: float64((t) => Math.floor(t / 51)),
  dpi_valid: float64((t) => (t % 40 === 7 ? 0 : 1)),
});

function doubtsOf(config: Parameters<typeof fakeConfig>[0]): string[] {
  const { doubts } = prepareSession(fakeConfig(config), { session: fakeSession(awkward) });
  return doubts.map(({ message, remedy }) => `${message}. ${remedy}`);
}

describe("doubts of a prepared session", () => {
  test("count bins of two trials and bins that were partly tracked, and name the settings", () => {
    const datafilters = { dfs: { ops: [{ valid_nlags: 8 }] } };
    expect(doubtsOf({ sampling, datafilters })).toEqual([
      'type "gaborium": 3 bins hold two trials, with a trial number that is neither\'s. ' +
        "Set trial_aware: true to start bins anew at every trial.",
      'type "gaborium": 8 bins hold frames without tracking and count as tracked. ' +
        "Set strict_validity: true to leave them out.",
    ]);
  });

  test("are gone with the settings they name, and without down-sampling", () => {
    expect(doubtsOf({ sampling, trial_aware: true, strict_validity: true })).toEqual([]);
    expect(doubtsOf({})).toEqual([]);
  });

  test("name behaviour that sees what is yet to come", () => {
    const basis = (causal: boolean) => ({
      ...fakeConfig().transforms,
      gaze: {
        source: "eyepos",
        ops: [{ temporal_basis: { num_cosine_funcs: 3, history_bins: 10, causal } }],
        expose_as: "behavior",
      },
    });
    expect(doubtsOf({ transforms: basis(false) })).toEqual([expect.stringContaining("frames that are yet to come")]);
    expect(doubtsOf({ transforms: basis(true) })).toEqual([]);
    const keys_lags = { ...fakeConfig().keys_lags, behavior: [-2, 0] };
    const doubts = futureDoubts(fakeConfig({ keys_lags }));
    expect(doubts.map(({ message }) => message)).toEqual(["lags reach 2 frames into the future"]);
  });

  test("are one error when strict", () => {
    const attempt = () => prepareSession(fakeConfig({ sampling }), { session: fakeSession(awkward), strict: true });
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(
      /does not pass the strict checks:\n- type "gaborium": 3 bins .*\n- type "gaborium": 8 bins/,
    );
  });
});
