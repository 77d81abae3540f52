/**
 * The state of each group of a request: waiting, begun, finished, sent to a reader, acknowledged.
 *
 * Owns the window, which limits the groups that are begun and not acknowledged, so that a slow reader stops new work.
 * Owns which reader gets a group: only one, until it acknowledges the group or is gone. Leaves out the groups
 * themselves, which are on disk (`request-run.ts`). Uses no clock and no disk.
 */

interface GroupState {
  stage: "waiting" | "begun" | "finished" | "acknowledged";
  /** The reader that it was sent to. */
  reader: string | null;
}

/** How a reader wants its groups. */
export interface ReaderTerms {
  reader: string;
  ordered: boolean;
  ahead: number;
}

export class Delivery {
  private readonly states: Map<string, GroupState>;
  private readonly ids: readonly string[];
  /** Index of the first group that may not be acknowledged yet. */
  private first = 0;
  /** Finished groups that no reader has, in the order in which they finished. */
  private readonly ready = new Set<string>();
  private readonly underWay = new Map<string, Set<string>>();
  private begun = 0;
  private acknowledgedGroups = 0;
  private readonly waiting = new Set<() => void>();

  /**
   * @param ids groups in the order of their tasks
   * @param finished whether the rollouts of a group are already recorded
   */
  constructor(
    ids: readonly string[],
    finished: (id: string) => boolean,
    public window: number,
  ) {
    this.ids = ids;
    this.states = new Map(ids.map((id) => [id, { stage: "waiting", reader: null }]));
    for (const id of ids) if (finished(id)) this.finish(id);
  }

  /** Groups begun and not acknowledged: what the window limits. */
  get held(): number {
    return this.begun;
  }

  get acknowledgedCount(): number {
    return this.acknowledgedGroups;
  }

  /** Whether every group is acknowledged. */
  get complete(): boolean {
    return this.acknowledgedGroups === this.ids.length;
  }

  /** Waits for room in the window and takes it. @throws the signal's reason */
  async begin(id: string, signal: AbortSignal): Promise<void> {
    const state = this.stateOf(id);
    while (this.begun >= this.window) {
      await this.changed(signal);
      signal.throwIfAborted();
    }
    if (state.stage !== "waiting") return;
    state.stage = "begun";
    this.begun++;
  }

  /** A group is recorded and can be sent. */
  finish(id: string): void {
    const state = this.stateOf(id);
    if (state.stage === "acknowledged" || state.stage === "finished") return;
    if (state.stage === "waiting") this.begun++;
    state.stage = "finished";
    this.ready.add(id);
    this.tell();
  }

  /** The next group for a reader, which then has it; "done" if all are acknowledged, "none" if there is none now. */
  take({ reader, ordered, ahead }: ReaderTerms): { group: string } | "done" | "none" {
    this.advance();
    if (this.first === this.ids.length) return "done";
    const mine = this.underWay.get(reader) ?? new Set();
    if (mine.size >= ahead) return "none";
    const group = ordered ? this.nextInOrder() : this.ready.values().next().value;
    if (group === undefined) return "none";
    this.stateOf(group).reader = reader;
    this.underWay.set(reader, mine.add(group));
    this.ready.delete(group);
    return { group };
  }

  /** Marks groups as received, by any reader. @returns ids that are not groups of this request */
  acknowledge(ids: readonly string[]): string[] {
    const unknown: string[] = [];
    for (const id of ids) {
      const state = this.states.get(id);
      if (!state) unknown.push(id);
      else if (state.stage !== "acknowledged") {
        if (state.stage !== "waiting") this.begun--;
        state.stage = "acknowledged";
        this.acknowledgedGroups++;
        this.free(state, id);
        this.ready.delete(id);
      }
    }
    this.tell();
    return unknown;
  }

  /** The unacknowledged groups of a reader may be sent to any reader. */
  release(reader: string): void {
    for (const id of this.underWay.get(reader) ?? []) {
      this.stateOf(id).reader = null;
      this.ready.add(id);
    }
    this.underWay.delete(reader);
    this.tell();
  }

  /** Resolves at the next change, when the signal aborts, or after `afterMs` milliseconds. */
  changed(signal: AbortSignal, afterMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.waiting.delete(done);
        resolve();
      };
      const timer = afterMs === undefined ? undefined : setTimeout(done, afterMs);
      if (signal.aborted) done();
      else {
        signal.addEventListener("abort", done, { once: true });
        this.waiting.add(done);
      }
    });
  }

  /** Wakes all that wait for a change. */
  tell(): void {
    for (const done of [...this.waiting]) done();
  }

  private advance(): void {
    while (this.first < this.ids.length && this.at(this.first).stage === "acknowledged") this.first++;
  }

  /** The first group that nobody has, if it is finished. */
  private nextInOrder(): string | undefined {
    for (let i = this.first; i < this.ids.length; i++) {
      const { stage, reader } = this.at(i);
      if (stage === "acknowledged" || reader !== null) continue;
      return stage === "finished" ? this.ids[i] : undefined;
    }
    return undefined;
  }

  /** Takes a group from its reader. */
  private free(state: GroupState, id: string): void {
    if (state.reader !== null) this.underWay.get(state.reader)?.delete(id);
    state.reader = null;
  }

  private at(i: number): GroupState {
    return this.stateOf(this.ids[i] as string);
  }

  private stateOf(id: string): GroupState {
    const state = this.states.get(id);
    if (!state) throw new RangeError(`${id} is no group of this request`);
    return state;
  }
}
