import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { nullActor } from "../../../src/evaluation/environments/actors/scripted.js";
import { playEpisode } from "../../../src/evaluation/environments/episode.js";
import { HttpEnvironment } from "../../../src/evaluation/environments/http-environment.js";
import type { EnvironmentTask } from "../../../src/evaluation/environments/task-environment.js";
import { environmentConformance } from "./conformance.js";

type Answer = (path: string, body: Record<string, unknown>) => unknown;
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.closeAllConnections();
});

/** An answer that is a string goes out as it is; undefined hangs; "DIE" ends the connection. */
async function serve(answer: Answer): Promise<string> {
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const chunk of request) text += chunk;
    const path = (request.url ?? "").split("?")[0] ?? "";
    const said = answer(path, text ? JSON.parse(text) : {});
    if (said === undefined) return;
    if (said === "DIE") return void request.socket.destroy();
    if (said === 404) return void response.writeHead(404).end("{}");
    response.end(typeof said === "string" ? said : JSON.stringify(said));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const task: EnvironmentTask = {
  id: "t",
  environment: "babyai",
  goal: null,
  difficulty: null,
  setup: { level: "door" },
};

/** A room in the protocol of our servers: open the door, then leave. */
function room(): Answer {
  let open = false;
  let reset = false;
  const tell = (observation: string, valid = true, won = false) => ({
    observation,
    goal: "leave the room",
    progress: won ? 1 : open ? 0.5 : 0,
    won,
    done: won,
    valid,
  });
  return (path, body) => {
    if (path === "/create") return { id: 1 };
    if (path === "/close") return { closed: true };
    if (path === "/reset") {
      if (body.level !== "door") return { error: "no such level", kind: "request" };
      open = false;
      reset = true;
      return tell("You stand in a room with a closed door.");
    }
    if (!reset) return { error: "reset first", kind: "request" };
    if (path === "/available_actions") return { available_actions: open ? ["leave"] : ["open door"] };
    if (path === "/expert") return { actions: open ? ["leave"] : ["open door"] };
    if (body.action === "open door") {
      open = true;
      return tell("The door is open.");
    }
    return body.action === "leave" && open
      ? tell("You are outside.", true, true)
      : tell("You cannot do that.", false);
  };
}

environmentConformance("the client, to a server of ours,", {
  open: async () => new HttpEnvironment({ name: "babyai", url: await serve(room()) }),
  tasks: async () => [task],
});

describe("servers of AgentGym", () => {
  it("ALFWorld's: a numeric id, success as reward, the goal in the text, no close", async () => {
    const url = await serve((path, { action }) => {
      if (path === "/create") return "3";
      if (path === "/reset")
        return {
          id: 3,
          observation: "-= Welcome =-\n\nYour task is to: heat some egg.",
          available_actions: ["look"],
        };
      if (path === "/available_actions") return { available_actions: ["look", "go to fridge 1"] };
      if (path === "/step") {
        const won = action === "go to fridge 1";
        return {
          observation: won ? "You arrive." : "Nothing happens.",
          reward: won ? 1 : 0,
          available_actions: [],
          done: won,
        };
      }
      return 404;
    });
    const environment = new HttpEnvironment({ name: "alfworld", url });
    expect(await environment.reset({ ...task, environment: "alfworld" })).toMatchObject({
      goal: "heat some egg.",
      progress: 0,
      done: false,
    });
    expect(await environment.availableActions()).toEqual(["look", "go to fridge 1"]);
    expect(await environment.step("sing")).toMatchObject({ valid: false, won: false });
    expect(await environment.step("go to fridge 1")).toMatchObject({
      valid: true,
      won: true,
      done: true,
      progress: 1,
    });
    expect(await environment.expert()).toBeUndefined();
    await environment.close();
  });

  it("ScienceWorld's: a score of 100, which may fall again", async () => {
    const scores = [50, 20, 100];
    const url = await serve((path) => {
      if (path === "/create") return { id: 0 };
      if (path === "/reset")
        return { id: 0, task_description: "Boil water.", observation: "This room is called the kitchen." };
      if (path === "/action_hint") return { possible_actions: ["open OBJ"], possible_objects: [] };
      if (path !== "/step") return 404;
      const score = scores.shift() as number;
      return { observation: "You wait.", reward: 0.5, score, done: score === 100 };
    });
    const environment = new HttpEnvironment({ name: "scienceworld", url });
    expect(await environment.reset(task)).toMatchObject({ goal: "Boil water.", progress: 0 });
    expect(await environment.availableActions()).toEqual(["open OBJ"]);
    expect((await environment.step("wait")).progress).toBe(0.5);
    expect(await environment.step("wait")).toMatchObject({ progress: 0.5, won: false });
    expect(await environment.step("wait")).toMatchObject({ progress: 1, won: true });
  });
});

describe("a server that fails", () => {
  const start = {
    id: 1,
    observation: "You stand in a room with a closed door.",
    progress: 0,
    won: false,
    done: false,
    valid: true,
  };
  const failing =
    (step: Answer): Answer =>
    (path, body) =>
      path === "/create" ? { id: 1 } : path === "/reset" ? start : step(path, body);
  it.each([
    ["dies", () => "DIE", "AGEMEM_ENVIRONMENT_UNREACHABLE"],
    ["hangs", () => undefined, "AGEMEM_ENVIRONMENT_UNREACHABLE"],
    ["answers with a page", () => "<html>Bad gateway</html>", "AGEMEM_ENVIRONMENT_FAILED"],
    ["answers with a list", () => [1, 2], "AGEMEM_ENVIRONMENT_FAILED"],
    ["says nothing of the observation", () => ({ done: false }), "AGEMEM_ENVIRONMENT_FAILED"],
    ["says progress 7", () => ({ ...start, progress: 7 }), "AGEMEM_ENVIRONMENT_FAILED"],
    ["has won at progress 0", () => ({ ...start, won: true }), "AGEMEM_ENVIRONMENT_FAILED"],
    ["names an error", () => ({ error: "IndexError: 3" }), "AGEMEM_ENVIRONMENT_FAILED"],
    ["has no such path", () => 404, "AGEMEM_ENVIRONMENT_FAILED"],
  ])("and %s ends the episode with the error's code", async (_, step, code) => {
    const environment = new HttpEnvironment({
      name: "babyai",
      url: await serve(failing(step as Answer)),
      timeoutMs: 300,
    });
    const result = await playEpisode({ environment, task, actor: nullActor() });
    expect(result).toMatchObject({ ended: "error", success: false, steps: [], error: { code } });
  });

  it("where nothing listens is told as unreachable", async () => {
    const environment = new HttpEnvironment({ name: "babyai", url: "http://127.0.0.1:9" });
    await expect(environment.reset(task)).rejects.toMatchObject({ code: "AGEMEM_ENVIRONMENT_UNREACHABLE" });
  });
});
