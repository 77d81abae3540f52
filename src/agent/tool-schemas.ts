/** Tool schemas as a server gets them, for token counts and the text protocol: tools, and the forms of structured answers. */
import type { StructuredToolInterface } from "@langchain/core/tools";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import type { ToolSchema } from "../types.js";

/** The schema of a tool; a provider's own tool (`{ type: "web_search" }`) is what it says of itself. */
export function toolSchema(tool: StructuredToolInterface): ToolSchema {
  const given = convertToOpenAITool(tool) as Partial<ReturnType<typeof convertToOpenAITool>>;
  return given.function ? schemaOf(given.function) : schemaOf({ description: JSON.stringify(given) });
}

function schemaOf({ name = "", description = "", parameters = {} }: Partial<ToolSchema>): ToolSchema {
  return { name, description, parameters };
}

/**
 * What langchain's `responseFormat` adds to a request: a tool per schema (`toolStrategy`, and a bare schema for models
 * without structured output), or the schema itself (`providerStrategy`), which costs about as much.
 */
export function responseSchemas(format: unknown): ToolSchema[] {
  return [format ?? []].flat().map((each) => {
    const { tool, schema } = each as { tool?: { function?: Partial<ToolSchema> }; schema?: unknown };
    if (tool?.function) return schemaOf(tool.function);
    const parameters = toJsonSchema((schema ?? each) as Parameters<typeof toJsonSchema>[0]);
    const { description } = parameters as { description?: string };
    return schemaOf({
      name: "extract",
      ...(description ? { description } : {}),
      parameters: { ...parameters },
    });
  });
}
