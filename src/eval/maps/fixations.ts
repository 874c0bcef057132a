/**
 * @file Frames in which the eye is still (evaluation specification, section 11.3).
 */

/** Speed below which an eye counts as still, degrees per second. */
export const STILL_BELOW = 5;

/**
 * Whether the eye moves more slowly than 5 degrees per second. The speed at a frame is half the distance between the frames
 * before and after it, per frame; at an end of the recording, the distance to the only neighbour. A position that is not a
 * number makes it and its neighbours invalid.
 *
 * @param eyepos degrees, [frames, 2]
 * @param frames which frames are asked about
 * @param frameRate Hz
 * @param compat "reference" takes neighbours in the list of frames, as the reference does, which makes a jump of every gap
 */
export function stillFrames(
  eyepos: ArrayLike<number>,
  frames: Int32Array,
  frameRate: number,
  compat?: "reference" | undefined,
): Uint8Array {
  const all = eyepos.length / 2;
  const isList = compat === "reference";
  const at = (position: number, axis: number) => eyepos[2 * (isList ? frames[position]! : position) + axis]!;
  const last = (isList ? frames.length : all) - 1;
  return Uint8Array.from(frames, (frame, i) => {
    const position = isList ? i : frame;
    const from = Math.max(0, position - 1);
    const to = Math.min(last, position + 1);
    const distance = Math.hypot(at(to, 0) - at(from, 0), at(to, 1) - at(from, 1));
    return (distance / (to - from)) * frameRate < STILL_BELOW ? 1 : 0;
  });
}
