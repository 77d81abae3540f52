/**
 * The channel of the state's `memoryOwner`, which can be written only once.
 *
 * A reducer would not be enough: whoever may send a command or a state update to a server can write
 * `{ "__overwrite__": … }`, which LangGraph puts into a channel without calling its reducer.
 */
import { BinaryOperatorAggregate } from "@langchain/langgraph";

type Owner = string | null;

/** A channel that keeps the first value that is not null. */
export class OwnerChannel extends BinaryOperatorAggregate<Owner, Owner> {
  constructor() {
    super(
      (current, update) => current ?? update,
      () => null,
    );
  }

  override fromCheckpoint(checkpoint?: Owner): this {
    const channel = new OwnerChannel();
    if (checkpoint !== undefined) channel.value = checkpoint;
    return channel as this;
  }

  override update(values: Owner[]): boolean {
    const named = values.find((value) => typeof value === "string");
    if (named === undefined || typeof this.value === "string") return false;
    this.value = named;
    return true;
  }
}
