/** Escaping text for the delimited blocks shown to models. Pure. */

const ESCAPES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text that can neither open nor close a tag nor leave an attribute. Control characters other than tab and newline become references. */
export function escapeXml(text: string): string {
  return text
    .replace(/[&<>"]/g, (char) => ESCAPES[char] as string)
    .replace(CONTROL, (char) => `&#${char.charCodeAt(0)};`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to be made harmless
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

/** The inverse of {@link escapeXml}. */
export function unescapeXml(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#\d+);/g, (_, name: string) => {
    if (name.startsWith("#")) return String.fromCodePoint(Number(name.slice(1)));
    return name === "amp" ? "&" : name === "lt" ? "<" : name === "gt" ? ">" : '"';
  });
}
