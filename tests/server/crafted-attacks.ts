/** Requests that no client library sends: crafted fields and bodies, another thread's ids, and a run that is under way. */
import type { Attack, Target } from "./attacks.js";

const RUN = "/runs/wait";
const message = (content: unknown = "Where is the secret?") => ({ messages: [{ role: "user", content }] });
const ask = (more: object = {}) => ({ assistant_id: "agent", input: message(), ...more });

const attack = (method: string, path: string, body?: unknown, mustFail = false): Attack => ({
  name: `${method} ${path} ${body === undefined ? "" : JSON.stringify(body).slice(0, 80)}`,
  method,
  path,
  body,
  mustFail,
});

/** Identities that are no text, or look like hers. */
const LOOKALIKES: unknown[] = [
  ["ada"],
  { toString: "ada" },
  { $eq: "ada" },
  { $contains: "ada" },
  5,
  true,
  "ada\u0000",
  "ada\u200b",
  "\u0430da",
  "ADA",
  " ada",
  "../ada",
  "ben.ada",
  "%61da",
];

/** What LangGraph itself keeps in `configurable`, and what the server writes there. */
function internals({ thread, checkpoint }: Target): Record<string, unknown> {
  return {
    thread_id: thread,
    checkpoint_id: checkpoint,
    checkpoint_ns: "think:1",
    checkpoint_map: { "": checkpoint },
    run_id: thread,
    graph_id: "rollout",
    assistant_id: "rollout",
    memoryOwner: "ada",
    __pregel_read: {},
    __pregel_send: {},
    __pregel_store: {},
    __pregel_checkpointer: {},
    __pregel_resuming: true,
    __pregel_resume_map: {},
    __pregel_task_id: checkpoint,
    __pregel_scratchpad: { resume: [] },
    __pregel_previous: { memoryOwner: null },
  };
}

/** Text that JavaScript takes for a prototype, and LangChain for an object or a secret of the environment. */
const RAW = [
  '"context":{"__proto__":{"user_id":"ada"}}',
  '"context":{"constructor":{"prototype":{"user_id":"ada"}}}',
  '"config":{"configurable":{"__proto__":{"langgraph_auth_user_id":"ada"}}}',
  '"config":{"__proto__":{"configurable":{"langgraph_auth_user_id":"ada"}}}',
  '"metadata":{"__proto__":{"owner":"ada"}}',
  '"__proto__":{"context":{"user_id":"ada"}}',
  '"context":{"user_id":"ben","user_id":"ada"}',
];

const SECRETS = ["AUTH_SECRET", "OPENAI_API_KEY"].flatMap((id) => {
  const secret = { lc: 1, type: "secret", id: [id] };
  return [
    message(secret),
    message([{ type: "text", text: secret }]),
    { messages: [{ role: "user", content: "Hi.", additional_kwargs: { secret } }] },
    {
      messages: [
        {
          lc: 1,
          type: "constructor",
          id: ["langchain_core", "messages", "HumanMessage"],
          kwargs: { content: "Hi.", response_metadata: secret },
        },
      ],
    },
  ];
});

/** Runs of Ben's own, crafted. */
export function craftedRunAttacks(target: Target): Attack[] {
  const { thread, checkpoint } = target;
  const other = { thread_id: thread, checkpoint_id: checkpoint, checkpoint_ns: "", checkpoint_map: {} };
  const deep = JSON.parse(`${"[".repeat(2000)}${"]".repeat(2000)}`);
  const raw = (fields: string): Attack => ({
    ...attack("POST", RUN),
    name: `raw ${fields}`,
    raw: `{"assistant_id":"agent","input":{"messages":[{"role":"user","content":"Where is the secret?"}]},${fields}}`,
  });
  return [
    ...LOOKALIKES.flatMap((user_id) => [
      attack("POST", RUN, ask({ context: { user_id } })),
      attack("POST", RUN, ask({ config: { configurable: { langgraph_auth_user_id: user_id } } })),
    ]),
    ...Object.entries(internals(target)).flatMap(([name, value]) => [
      attack("POST", RUN, ask({ config: { configurable: { [name]: value } } })),
      attack(
        "POST",
        `/threads/${target.own}/runs/wait`,
        ask({ config: { configurable: { [name]: value } } }),
      ),
    ]),
    ...RAW.map(raw),
    ...SECRETS.flatMap((input) => [
      attack("POST", `/threads/${target.own}/runs/wait`, { assistant_id: "agent", input }),
      attack("GET", `/threads/${target.own}/state`),
    ]),
    attack("POST", RUN, ask({ checkpoint: other })),
    attack("POST", `/threads/${target.own}/runs/wait`, ask({ checkpoint: other })),
    attack("POST", `/threads/${target.own}/runs/wait`, ask({ checkpoint_id: checkpoint })),
    attack("POST", RUN, ask({ metadata: { owner: "ada", agemem_guarded: false, thread_id: thread } })),
    attack("POST", RUN, ask({ langsmith_tracer: { project_name: "ada", example_id: thread } })),
    attack(
      "POST",
      RUN,
      ask({ stream_mode: ["values", "debug", "checkpoints", "tasks", "events"], interrupt_before: "*" }),
    ),
    attack("POST", RUN, ask({ command: { resume: { [checkpoint]: { decisions: [{ type: "approve" }] } } } })),
    attack("POST", RUN, ask({ command: { goto: { node: "tool", input: { memoryOwner: null } } } }), true),
    attack("POST", RUN, ask({ command: { goto: ["think", "answer"] } }), true),
    attack("POST", RUN, ask({ command: { update: [["messages", []]] } }), true),
    attack("POST", RUN, ask({ webhook: "file:///etc/passwd" }), true),
    attack("POST", RUN, ask({ context: { deep } })),
    attack(
      "POST",
      RUN,
      ask({ context: Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i])) }),
    ),
    attack("POST", RUN, { assistant_id: "agent", input: message("secret ".repeat(10_000)) }),
  ];
}

/** Ben's own paths with ids of Ada's in them, and her paths written otherwise. */
export function crossedAttacks({ thread, run, checkpoint, own }: Target): Attack[] {
  const [mine, hers] = [`/threads/${own}`, `/threads/${thread}`];
  const other = { thread_id: thread, checkpoint_id: checkpoint, checkpoint_ns: "" };
  const header = (name: string, value: string): Attack => ({
    ...attack("GET", `${hers}/state`, undefined, true),
    name: `${name}: ${value}`,
    headers: { [name]: value },
  });
  return [
    // The server drops the foreign thread id: these answer with what Ben's own thread has, which is nothing.
    attack("POST", `${mine}/state/checkpoint`, { checkpoint: other }),
    attack("POST", `${mine}/history`, { checkpoint: other }),
    attack("POST", `${mine}/history`, { before: { configurable: other } }),
    attack("GET", `${mine}/history?before=${checkpoint}`),
    attack("GET", `${mine}/state/${checkpoint}`),
    attack("POST", `${mine}/state`, { values: {}, checkpoint: other }, true),
    attack("GET", `${mine}/runs/${run}`, undefined, true),
    attack("GET", `${mine}/runs/${run}/join`, undefined, true),
    attack("GET", `${mine}/runs/${run}/stream`, undefined, true),
    attack("DELETE", `${mine}/runs/${run}`, undefined, true),
    attack("POST", `${mine}/runs/${run}/cancel?wait=true`, undefined, true),
    ...["reject", "enqueue", "interrupt", "rollback"].map((multitask_strategy) =>
      attack("POST", `${hers}/runs`, ask({ multitask_strategy }), true),
    ),
    attack("POST", "/threads", { thread_id: thread, if_exists: "raise" }, true),
    attack("POST", "/threads/count", { metadata: { owner: "ada" } }),
    attack("POST", "/threads/search", { metadata: { $or: [{ owner: "ada" }] } }),
    attack("POST", "/threads/search", { values: { memoryOwner: null }, sort_by: "status", limit: 1000 }),
    attack("POST", "/runs/batch", [
      ask({ context: { user_id: "ada" } }),
      ask({ context: { user_id: ["ada"] } }),
    ]),
    attack(
      "POST",
      "/assistants",
      { graph_id: "agent", if_exists: "do_nothing", context: { user_id: "ada" } },
      true,
    ),
    attack("POST", "/assistants/agent/latest", { version: 1 }, true),
    attack("DELETE", `/runs/crons/${run}`, undefined, true),
    attack("HEAD", `${hers}/state`, undefined, true),
    attack("PUT", `${hers}/state`, { values: {} }, true),
    attack("GET", `/${hers}/state`, undefined, true),
    attack("GET", `/threads/${thread}%2Fstate`, undefined, true),
    attack("GET", `${hers}/state;x=1`, undefined, true),
    attack("GET", `/threads/${thread.toUpperCase()}/state`, undefined, true),
    attack("GET", `${hers}/history?limit=-1`, undefined, true),
    header("x-http-method-override", "DELETE"),
    header("x-original-url", "/ok"),
    header("x-forwarded-user", "ada"),
    header("x-langgraph-auth-user", '{"identity":"ada"}'),
    header("x-auth-scheme", "langsmith"),
    header("cookie", "identity=ada"),
    attack("GET", "/store/items?namespace=memories.ben&namespace=memories.ada&key=x", undefined, true),
    attack("POST", "/store/items/search", { namespace_prefix: [["memories", "ada"]] }, true),
    attack("POST", "/store/items/search", { namespace_prefix: ["memories", "ben", "..", "ada"] }),
    attack("PUT", "/store/items", { namespace: [], key: "k", value: { content: "forged" } }, true),
  ];
}

/** While Ada's first run on a thread is under way, or waits. */
export function windowAttacks(thread: string, run: string): Attack[] {
  const at = `/threads/${thread}`;
  return [
    attack("GET", `${at}/state`, undefined, true),
    attack("GET", `${at}/history`, undefined, true),
    attack("GET", `${at}/runs`, undefined, true),
    attack("GET", `${at}/runs/${run}`, undefined, true),
    attack("GET", `${at}/runs/${run}/join`, undefined, true),
    attack("GET", `${at}/runs/${run}/stream`, undefined, true),
    attack("GET", `/runs/${run}/stream`, undefined, true),
    attack("POST", `${at}/state`, { values: { messages: [] }, as_node: "think" }, true),
    attack("POST", `${at}/copy`, undefined, true),
    attack("POST", "/threads/search", { ids: [thread], status: "busy" }),
    attack("POST", "/threads/search", { status: "busy", select: ["values", "metadata", "config"] }),
    ...["reject", "enqueue", "interrupt", "rollback"].map((multitask_strategy) =>
      attack("POST", `${at}/runs/wait`, ask({ multitask_strategy }), true),
    ),
    attack("POST", `${at}/runs`, { assistant_id: "agent", input: null, multitask_strategy: "enqueue" }, true),
    attack("POST", `${at}/runs/${run}/cancel?action=rollback`, undefined, true),
    attack("POST", `${at}/runs/${run}/cancel?action=interrupt`, undefined, true),
    attack("DELETE", `${at}/runs/${run}`, undefined, true),
    attack("PATCH", at, { metadata: { owner: "ben" } }, true),
    attack("DELETE", at, undefined, true),
  ];
}
