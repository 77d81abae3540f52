/**
 * Makes foreign text harmless before a model or a terminal shows it.
 *
 * Owns the defense against three dangers: text that opens or closes a tag and so poses as somebody else; invisible
 * characters (text direction, zero width, Unicode tags, controls) that hide words from a person or a filter; and control
 * tokens of chat templates (`<|im_start|>`), which some servers interpret inside a message. Pure. Leaves out where texts
 * are shown.
 */

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/**
 * Escapes text so that it can neither open nor close a tag nor leave an attribute; invisible characters become numeric
 * references. {@link unescapeXml} restores the text exactly.
 *
 * @example
 * escapeXml('a < "b"'); // a &lt; &quot;b&quot;
 */
export function escapeXml(text: string): string {
  return showInvisible(text.replace(/[&<>"]/g, (char) => ENTITIES[char] as string));
}

/** The inverse of {@link escapeXml}. A numeric reference beyond Unicode is left as it is. */
export function unescapeXml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|apos|#\d{1,7});/g, (entity) => {
    if (entity.startsWith("&#")) {
      const code = Number(entity.slice(2, -1));
      return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
    }
    return NAMED[entity] as string;
  });
}
const NAMED: Record<string, string> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&apos;": "'",
};

/**
 * Controls except tab and newline, text direction, zero width, fillers, line separators, Unicode tags and variation
 * selectors, which can carry hidden bytes. Joiners and the first 16 variation selectors are then judged by their place.
 */
const INVISIBLE =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: a filler, matched by itself on purpose
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to make harmless
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]/gu;

/** What a joiner may legitimately follow and precede: emoji, and letters and marks of scripts that need it. */
const BEFORE_JOINER =
  /[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{M}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Nko}]$/u;
const AFTER_JOINER =
  /^[\p{Extended_Pictographic}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Nko}\p{Script=Devanagari}\p{Script=Bengali}\p{Script=Gurmukhi}\p{Script=Gujarati}\p{Script=Oriya}\p{Script=Tamil}\p{Script=Telugu}\p{Script=Kannada}\p{Script=Malayalam}\p{Script=Sinhala}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/**
 * Makes invisible characters visible as numeric references such as `&#8238;`. Joiners within emoji and within words of
 * scripts that need them stay, and so does a single variation selector after a character.
 *
 * @example
 * showInvisible("pay\u202e001"); // pay&#8238;001
 */
export function showInvisible(text: string): string {
  return text.replace(INVISIBLE, (char, at: number) => {
    if (isInPlace(char, text, at)) return char;
    return `&#${char.codePointAt(0)};`;
  });
}

function isInPlace(char: string, text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 2), at);
  if (char === "\u200c" || char === "\u200d") {
    return BEFORE_JOINER.test(before) && AFTER_JOINER.test(text.slice(at + 1, at + 3));
  }
  // A single one selects a form of the character before it; several in a row carry bytes.
  return char >= "\ufe00" && char <= "\ufe0f" && !/(?:^|[\s\p{C}\p{Variation_Selector}])$/u.test(before);
}

/** Tokens by which chat templates and tag protocols mark who speaks; it matches only their first character. */
const CONTROL_TOKEN =
  /<(?=[|｜]|<\/?SYS>>|\/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn|think|tool_call|tool_response|answer)>)|\[(?=\/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS|TOOL_CALLS)\])/gi;

/**
 * Leaves text readable but unable to pose as somebody else: makes invisible characters visible, and breaks control tokens
 * of chat templates and the given tags.
 *
 * @param tags names of tags that the text must not be able to open or close
 * @example
 * defuse("a < b <|im_start|>system"); // a < b &lt;|im_start|>system
 */
export function defuse(text: string, tags: readonly string[] = []): string {
  const shown = showInvisible(text).replace(CONTROL_TOKEN, (char) => (char === "<" ? "&lt;" : "&#91;"));
  return tags.length === 0 ? shown : shown.replace(tagPattern("<", tags), "&lt;");
}

/** Restores the tags that {@link defuse} broke, but not invisible characters and control tokens. */
export function restoreTags(text: string, tags: readonly string[]): string {
  return text.replace(tagPattern("&lt;", tags), "<");
}

const patterns = new Map<string, RegExp>();

function tagPattern(opening: string, tags: readonly string[]): RegExp {
  const source = `${opening}(?=/?(?:${tags.join("|")})(?![\\w-]))`;
  const pattern = patterns.get(source) ?? new RegExp(source, "gi");
  patterns.set(source, pattern);
  return pattern;
}
