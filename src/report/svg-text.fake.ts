/**
 * @file Where the text of a figure lies, for tests: boxes by the same letter widths that figures are laid out with.
 */
import { FONT_SIZE, textWidth } from "./text-width.ts";

/** A line of text in a figure. */
export interface TextBox {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Boxes of all lines of text; those of turned text are turned. */
export function textBoxes(svg: string): TextBox[] {
  return [...svg.matchAll(/<text([^>]*)>([^<]*)<\/text>/g)].map(([, attributes = "", text = ""]) => {
    const attribute = (name: string) => new RegExp(`\\s${name}="([^"]*)"`).exec(attributes)?.[1];
    const width = textWidth(text);
    const before = { start: 0, middle: width / 2, end: width }[attribute("text-anchor") ?? "start"]!;
    const moved = /translate\(([-\d.]+) ([-\d.]+)\)/.exec(attributes);
    if (moved) {
      const [x, y] = [Number(moved[1]), Number(moved[2])];
      return { text, left: x - 0.8 * FONT_SIZE, right: x + 0.2 * FONT_SIZE, top: y - before, bottom: y + before };
    }
    const [x, y] = [Number(attribute("x")), Number(attribute("y")) + (attribute("dy") ? 0.35 * FONT_SIZE : 0)];
    return {
      text,
      left: x - before,
      right: x - before + width,
      top: y - 0.75 * FONT_SIZE,
      bottom: y + 0.2 * FONT_SIZE,
    };
  });
}

/** What is wrong with the text of a figure: lines beyond its edges, and lines on top of each other. */
export function textErrors(svg: string): string[] {
  const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
  const boxes = textBoxes(svg);
  const cut = boxes.filter(
    ({ left, right, top, bottom }) => left < -1 || right > width! + 1 || top < -1 || bottom > height! + 1,
  );
  const meets = (a: TextBox, b: TextBox) =>
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  const overlaps = boxes.flatMap((a, i) =>
    boxes.slice(i + 1).flatMap((b) => (meets(a, b) ? [`"${a.text}" meets "${b.text}"`] : [])),
  );
  return [...cut.map(({ text }) => `"${text}" is cut`), ...overlaps];
}
