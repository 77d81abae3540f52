/**
 * The chat template of a model: its file's own, one of ours by name, or the caller's text.
 *
 * Owns which template is meant, what it teaches about tools (the form of calls), and rendering. Leaves out what the messages
 * look like (`template-messages.ts`) and tokens (`prompt.ts`). Pure.
 */
import { Template } from "@huggingface/jinja";
import { ConfigError, ModelError, messageOf } from "../../errors.js";
import type { ToolTextForm } from "../tool-text/forms.js";

/** A message as templates expect it. */
export interface TemplateMessage {
  role: string;
  content: string;
  tool_calls?: {
    id: string;
    type: "function";
    function: { name: string; arguments: Record<string, unknown> };
  }[];
  tool_call_id?: string;
  name?: string;
}

/** A template that can be rendered. */
export interface ChatTemplate {
  /** "file", the name of one of ours, or "given". */
  source: string;
  /** Form of calls that it teaches. */
  form: ToolTextForm;
  /** Whether it writes the tools into the prompt itself. */
  knowsTools: boolean;
  /** What ends a response beside the model's own token: a base model goes on with the user's next turn. */
  stop: readonly string[];
  render(input: TemplateInput): string;
}

export interface TemplateInput {
  messages: TemplateMessage[];
  tools: object[];
  bos: string;
  eos: string;
}

/**
 * For files without one; names that `chatTemplate` takes. Gemma has no system role: it goes before the first message. "plain" is
 * for base models: a transcript in words, since they have never seen the tokens that mark turns.
 */
export const CHAT_TEMPLATES: Readonly<Record<string, string>> = {
  chatml:
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
    "{{ '<|im_start|>assistant\\n' }}",
  gemma:
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set head = messages[0].content + '\\n\\n' %}" +
    "{% set rest = messages[1:] %}{% else %}{% set head = '' %}{% set rest = messages %}{% endif %}" +
    "{% for m in rest %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else 'user') + '\\n' }}" +
    "{{ (head if loop.first else '') + m.content + '<end_of_turn>\\n' }}{% endfor %}" +
    "{{ '<start_of_turn>model\\n' }}",
  plain:
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}{% else %}" +
    "{{ ('Assistant' if m.role == 'assistant' else 'User') + ': ' + m.content }}{% endif %}{{ '\\n\\n' }}{% endfor %}" +
    "{{ 'Assistant:' }}",
};

/** Where a template marks turns by words. */
const STOPS: Readonly<Record<string, readonly string[]>> = { plain: ["\nUser:", "\nAssistant:"] };

/** Chat models come with a template: a file without one, of a family that we know, is a base model. */
const BASE_MODELS: readonly string[] = ["gemma", "gemma2", "gemma3"];

/**
 * The template: the option's (a name of {@link CHAT_TEMPLATES} or Jinja text), else the file's, else the plain one for base models.
 *
 * @throws ConfigError `AGEMEM_CONFIG_INVALID` when there is none, or it cannot be read
 */
export function chatTemplate(
  given: string | undefined,
  own: string | undefined,
  architecture: string | undefined,
): ChatTemplate {
  const byName = given === undefined ? undefined : CHAT_TEMPLATES[given];
  if (byName !== undefined) return parsed(byName, given as string);
  if (given?.includes("{")) return parsed(given, "given");
  if (given !== undefined) throw noTemplate(`"${given}" is not a chat template`, architecture);
  if (own !== undefined) return parsed(own, "file");
  if (!BASE_MODELS.includes(architecture ?? "")) {
    throw noTemplate("The model file has no chat template", architecture);
  }
  return parsed(CHAT_TEMPLATES.plain as string, "plain");
}

function noTemplate(message: string, architecture: string | undefined): ConfigError {
  return new ConfigError("AGEMEM_CONFIG_INVALID", message, {
    remedy: `Give chatTemplate: one of ${Object.keys(CHAT_TEMPLATES).join(", ")}, or a Jinja template's text.`,
    details: { architecture },
  });
}

function parsed(text: string, source: string): ChatTemplate {
  let template: Template;
  try {
    template = new Template(text);
  } catch (cause) {
    throw new ConfigError("AGEMEM_CONFIG_INVALID", `The chat template cannot be read: ${messageOf(cause)}`, {
      cause,
      remedy: `Give another one as chatTemplate: ${Object.keys(CHAT_TEMPLATES).join(", ")}, or a Jinja template's text.`,
    });
  }
  return {
    source,
    form: formOf(text),
    knowsTools: /\btools\b/.test(text),
    stop: STOPS[source] ?? [],
    render: (input) =>
      render(template, source === "plain" ? { ...input, messages: input.messages.map(withoutTurns) } : input),
  };
}

/** Where words mark turns, a message must not be able to begin one. */
function withoutTurns(message: TemplateMessage): TemplateMessage {
  return { ...message, content: message.content.replace(/^(?=(?:User|Assistant):)/gm, "> ") };
}

/** The form whose marks the template writes; Hermes' where it teaches none, as our own instructions do then. */
export function formOf(template: string): ToolTextForm {
  if (template.includes("[TOOL_CALLS]")) return "mistral";
  if (template.includes("<tool_call>")) return "hermes";
  if (template.includes("<|python_tag|>") || /"parameters": dictionary|name="?: ?function/.test(template))
    return "llama3";
  return "hermes";
}

/** Some templates refuse a system role or roles that do not alternate: then those messages are joined. */
function render(template: Template, { messages, tools, bos, eos }: TemplateInput): string {
  const shared = {
    ...(tools.length > 0 && { tools }),
    add_generation_prompt: true,
    bos_token: bos,
    eos_token: eos,
  };
  try {
    return template.render({ messages, ...shared });
  } catch (first) {
    try {
      return template.render({ messages: joined(messages), ...shared });
    } catch {
      throw new ModelError("AGEMEM_MODEL_FAILED", `The chat template failed: ${messageOf(first)}`, {
        cause: first,
        remedy: "Give another template as chatTemplate.",
      });
    }
  }
}

/** System before the first user message; neighbors of one role in one message. */
export function joined(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const out: TemplateMessage[] = [];
  for (const message of messages) {
    const role = message.role === "system" ? "user" : message.role;
    const last = out.at(-1);
    if (last && last.role === role && !last.tool_calls && role !== "tool") {
      last.content = `${last.content}\n\n${message.content}`;
      if (message.tool_calls) last.tool_calls = message.tool_calls;
    } else out.push({ ...message, role });
  }
  return out;
}
