/** Schemas of tools and structured answers as a server receives them, for token counts and the text protocol. */
import type { StructuredToolInterface } from "@langchain/core/tools";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import type { ToolSchema } from "../types.js";

/** The schema of a tool. For a provider's built-in tool (`{ type: "web_search" }`) it stands in for the whole definition. */
export function toolSchema(tool: StructuredToolInterface): ToolSchema {
  const given = convertToOpenAITool(tool) as Partial<ReturnType<typeof convertToOpenAITool>>;
  return given.function ? schemaOf(given.function) : schemaOf({ description: JSON.stringify(given) });
}

function schemaOf({ name = "", description = "", parameters = {} }: Partial<ToolSchema>): ToolSchema {
  return { name, description, parameters };
}

/**
 * What langchain's `responseFormat` adds to a request: a tool per schema (`toolStrategy`, or a bare schema with a model
 * that lacks structured output), or the schema itself (`providerStrategy`), which takes about as many tokens.
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
