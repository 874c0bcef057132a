/**
 * @file How wide text will be, without a browser: by the letter widths of a wide sans-serif font, so that what fits here fits
 * in every common font.
 */

/** Letters by their width as a part of the font size. */
const WIDTHS: readonly (readonly [width: number, letters: string])[] = [
  [0.3, "iljI'|.,:;! "],
  [0.4, 'ftr()[]{}/\\-"°²³⁻¹'],
  [0.54, "sczJ_xvyk"],
  [0.64, "0123456789abdeghnopquFLET?$#*–σµαβ"],
  [0.72, "ABCDGHKNOPQRSUVXYZ&+<>=−~×·±≤≥"],
  [0.98, "mwMW%@—…"],
];
const WIDTH_OF = new Map(
  WIDTHS.flatMap(([width, letters]) => Array.from(letters, (letter) => [letter, width] as const)),
);

/** Of letters that are not in the table. */
const OTHER = 0.72;

/** Font size of the text in figures, SVG units. */
export const FONT_SIZE = 11;

/** Width of a line of text in SVG units, rather too wide than too narrow. */
export function textWidth(text: string, fontSize: number = FONT_SIZE): number {
  let width = 0;
  for (const letter of text) width += WIDTH_OF.get(letter) ?? OTHER;
  return width * fontSize;
}

/** Text in lines no wider than `width`, broken between words; a word that is wider has a line of its own. */
export function wrapText(text: string, width: number, fontSize: number = FONT_SIZE): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && textWidth(longer, fontSize) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
