import { describe, expect, test } from "vitest";
import { greyLevel, naturalImage } from "./images.ts";
import { Random } from "./random.ts";
import {
  backimageScene,
  FRAMES_PER_IMAGE,
  fixrsvpScene,
  gaboriumScene,
  gratingsScene,
  rapidImages,
} from "./stimuli.ts";
import { sessionScreen } from "./trials.ts";

const SIZE = 21;
const screen = sessionScreen(16);
const ROW = screen.height / 2;
const COL = screen.width / 2;
const scenes = {
  backimage: backimageScene(new Random(1), screen, SIZE),
  gaborium: gaboriumScene(new Random(2), screen),
  gratings: gratingsScene(new Random(3), screen, 480),
  fixrsvp: fixrsvpScene(rapidImages(new Random(4), screen, SIZE, 5), screen),
};

function painted(scene: keyof typeof scenes, frame: number, row = ROW, col = COL): Uint8Array {
  const crop = new Uint8Array(SIZE * SIZE);
  scenes[scene].paint(frame, row, col, SIZE, crop);
  return crop;
}

/** Mean grey level, and root mean square contrast. */
function moments(pixels: Uint8Array): { mean: number; contrast: number } {
  const mean = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
  const power = pixels.reduce((sum, value) => sum + (value - 127) ** 2, 0) / pixels.length;
  return { mean, contrast: Math.sqrt(power) / 127 };
}

describe.each(Object.keys(scenes) as (keyof typeof scenes)[])("%s scene", (name) => {
  test("paints grey levels 0 to 254 around 127", () => {
    const crops = Array.from({ length: 240 }, (_, i) =>
      painted(name, 2 * i, ROW - 80 + ((29 * i) % 140), COL - 80 + ((47 * i) % 140)),
    );
    const all = new Uint8Array(crops.flatMap((crop) => [...crop]));
    expect(Math.max(...all)).toBeLessThanOrEqual(254);
    expect(Math.abs(moments(all).mean - 127)).toBeLessThan(10);
    expect(moments(all).contrast).toBeGreaterThan(0.1);
  });

  test("stands still on the screen: moving the crop by a pixel shifts it by a pixel", () => {
    const here = painted(name, 3);
    const right = painted(name, 3, ROW, COL + 1);
    const down = painted(name, 3, ROW + 1, COL);
    for (let i = 0; i < SIZE - 1; i++) {
      for (let j = 0; j < SIZE - 1; j++) {
        expect(Math.abs(right[i * SIZE + j]! - here[i * SIZE + j + 1]!)).toBeLessThanOrEqual(1);
        expect(Math.abs(down[i * SIZE + j]! - here[(i + 1) * SIZE + j]!)).toBeLessThanOrEqual(1);
      }
    }
  });
});

describe("naturalImage()", () => {
  const SIDE = 128;
  const image = naturalImage(new Random(5), SIDE, 16);

  test("is grey on average with the contrast of a natural scene", () => {
    expect(Math.abs(moments(image.pixels).mean - 127)).toBeLessThan(3);
    expect(moments(image.pixels).contrast).toBeGreaterThan(0.3);
    expect(moments(image.pixels).contrast).toBeLessThan(0.45);
  });

  test("has less power at higher frequencies, roughly as 1/f²", () => {
    const power = (cycles: number) => {
      let sum = 0;
      for (let row = 0; row < SIDE; row++) {
        let re = 0;
        let im = 0;
        for (let x = 0; x < SIDE; x++) {
          const angle = (2 * Math.PI * cycles * x) / SIDE;
          re += (image.pixels[row * SIDE + x]! - 127) * Math.cos(angle);
          im += (image.pixels[row * SIDE + x]! - 127) * Math.sin(angle);
        }
        sum += re * re + im * im;
      }
      return sum;
    };
    const band = (low: number) => Array.from({ length: low }, (_, i) => power(low + i)).reduce((a, b) => a + b) / low;
    const slope = Math.log2(band(2) / band(32)) / 4;
    expect(slope).toBeGreaterThan(0.8);
    expect(slope).toBeLessThan(2.5);
  });
});

describe("gaboriumScene()", () => {
  test("keeps a field for 8 frames, then shows another", () => {
    expect(painted("gaborium", 0)).toEqual(painted("gaborium", 7));
    expect(painted("gaborium", 0)).not.toEqual(painted("gaborium", 8));
  });
});

describe("gratingsScene()", () => {
  test("tells the spatial frequency and orientation it paints", () => {
    for (const frame of [0, 100, 300]) {
      const { sf, ori } = scenes.gratings.at(frame);
      const crop = painted("gratings", frame);
      const match = (cyclesPerDegree: number, degrees: number) => {
        let re = 0;
        let im = 0;
        for (let i = 0; i < SIZE; i++) {
          for (let j = 0; j < SIZE; j++) {
            const angle = (degrees * Math.PI) / 180;
            const along = (j * Math.cos(angle) - i * Math.sin(angle)) / screen.ppd;
            re += (crop[i * SIZE + j]! - 127) * Math.cos(2 * Math.PI * cyclesPerDegree * along);
            im += (crop[i * SIZE + j]! - 127) * Math.sin(2 * Math.PI * cyclesPerDegree * along);
          }
        }
        return Math.hypot(re, im);
      };
      for (const [otherSf, otherOri] of [
        [sf, ori + 90],
        [sf, ori + 45],
        [sf * 2, ori],
      ] as const) {
        expect(match(sf, ori)).toBeGreaterThan(3 * match(otherSf, otherOri));
      }
    }
  });
});

describe("gratingsScene().paintPhase()", () => {
  test("gives phases in (0, 2π] whose cosine is what the screen shows", () => {
    for (const frame of [0, 57, 400]) {
      const phases = new Float32Array(SIZE * SIZE);
      scenes.gratings.paintPhase(frame, ROW, COL, SIZE, phases);
      const crop = painted("gratings", frame);
      expect(Math.min(...phases)).toBeGreaterThan(0);
      expect(Math.max(...phases)).toBeLessThanOrEqual(Math.fround(2 * Math.PI));
      phases.forEach((phase, i) => {
        expect(Math.abs(greyLevel(0.7 * Math.cos(phase)) - crop[i]!)).toBeLessThanOrEqual(1);
      });
    }
  });
});

describe("fixrsvpScene()", () => {
  test("changes image every 24 frames and starts over after the last", () => {
    expect(painted("fixrsvp", 0)).toEqual(painted("fixrsvp", FRAMES_PER_IMAGE - 1));
    expect(painted("fixrsvp", 0)).not.toEqual(painted("fixrsvp", FRAMES_PER_IMAGE));
    expect(painted("fixrsvp", 0)).toEqual(painted("fixrsvp", 5 * FRAMES_PER_IMAGE));
  });
});
