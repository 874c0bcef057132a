/**
 * @file What is wrong with a page, for tests.
 */

/** Elements that have no end. */
const VOID = new Set(["meta", "img", "br"]);

/** Elements that were opened and not closed, closed and not opened, or closed in the wrong order; attributes without quotes. */
export function markupErrors(html: string): string[] {
  const errors: string[] = [];
  const open: string[] = [];
  const outsideScripts = html.replace(/(<(script|style)\b[^>]*>)[\s\S]*?(<\/\2>)/g, "$1$3");
  for (const [whole, slash, name, attributes, self] of outsideScripts.matchAll(
    /<(\/?)([a-zA-Z][\w:]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*(\/?)>/g,
  )) {
    if (self || VOID.has(name!)) continue;
    if (!slash) open.push(name!);
    else if (open.pop() !== name) errors.push(`${whole} closes something else`);
    if (attributes!.includes("undefined")) errors.push(`${whole} has an attribute without a value`);
  }
  for (const name of open) errors.push(`<${name}> is not closed`);
  const angles = outsideScripts
    .replace(/<(\/?)([a-zA-Z][\w:]*)((?:\s+[\w:-]+(?:="[^"<]*")?)*)\s*(\/?)>/g, "")
    .replace("<!doctype html>", "");
  if (/[<]/.test(angles))
    errors.push(`something is not markup: ${angles.slice(angles.indexOf("<"), angles.indexOf("<") + 60)}`);
  const ids = [...outsideScripts.matchAll(/\sid="([^"]*)"/g)].map((match) => match[1]!);
  for (const [i, id] of ids.entries()) if (ids.indexOf(id) !== i) errors.push(`the id ${id} comes twice`);
  return errors;
}
