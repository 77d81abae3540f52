/**
 * Which model gave which response, so that a summary is written by the model that asked for it.
 *
 * An agent may use another model at each step, and many runs at once share one middleware. Owns the bounded memory of it;
 * a run that goes on in another process finds nothing here.
 */
import type { BaseChatModel } from "@langchain/core/language_models/chat_models";
import { AIMessage, type BaseMessage } from "@langchain/core/messages";
import { BoundedMap } from "../../lib/bounded-map.js";

/** By the message itself, and by its id for runs that read it back from a checkpoint. */
export class ResponseModels {
  readonly #byMessage = new WeakMap<BaseMessage, BaseChatModel>();
  readonly #byId = new BoundedMap<string, BaseChatModel>(1000);

  note(response: BaseMessage, model: BaseChatModel): void {
    this.#byMessage.set(response, model);
    if (response.id) this.#byId.set(response.id, model);
  }

  /** The model of the newest response; undefined when it was given elsewhere. */
  of(messages: readonly BaseMessage[]): BaseChatModel | undefined {
    const response = messages.findLast((message) => AIMessage.isInstance(message));
    return response && (this.#byMessage.get(response) ?? this.#byId.get(response.id ?? ""));
  }
}
