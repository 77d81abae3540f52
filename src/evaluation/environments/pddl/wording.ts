/**
 * The four PDDL domains in sentences: facts, actions, rules, and parsing a sentence back into an action.
 *
 * Sentences follow AgentBoard's, so that its goals fit; where its tables confuse two domains, ours are correct. `{0}`
 * is the first object of a fact or action. Other domains use the words of their literals. Pure.
 */

interface Words {
  facts: Readonly<Record<string, string>>;
  actions: Readonly<Record<string, string>>;
  rules: string;
}

const GRIPPER: Words = {
  facts: {
    room: "{0} is a room.",
    ball: "{0} is a ball.",
    gripper: "{0} is a gripper.",
    "at-robby": "Robby is at {0}.",
    at: "{0} is at {1}.",
    free: "{0} is free.",
    carry: "{1} is carrying {0}.",
  },
  actions: {
    move: "Move from {0} to {1}.",
    pick: "Pick up {0} at {1} with arm {2}.",
    drop: "Drop {0} in {1} with arm {2}.",
  },
  rules:
    "You steer Robby, a robot with two grippers that carries balls between rooms. A gripper holds one ball. Picking up needs a free gripper and the robot in the ball's room; dropping leaves the ball in the robot's room.",
};

const BLOCKWORLD: Words = {
  facts: {
    clear: "{0} is clear.",
    "on-table": "{0} is on the table.",
    "arm-empty": "Your arm is empty.",
    holding: "You are holding {0}.",
    on: "{0} is on {1}.",
  },
  actions: {
    pickup: "Pickup {0}.",
    putdown: "Putdown {0}.",
    stack: "Stack {0} on {1}.",
    unstack: "Unstack {0} from {1}.",
  },
  rules:
    "You have one arm and a table with blocks. Pickup takes a clear block from the table and unstack takes one from another block, with an empty arm. Putdown lays the block you hold on the table, stack lays it on a clear block.",
};

const BARMAN: Words = {
  facts: {
    ontable: "{0} is on the table.",
    holding: "{0} is holding {1}.",
    handempty: "{0} is empty.",
    empty: "{0} is empty.",
    contains: "{0} contains {1}.",
    clean: "{0} is clean.",
    used: "{0} was used for {1}.",
    dispenses: "{0} dispenses {1}.",
    "shaker-empty-level": "{0} is at empty level {1}.",
    "shaker-level": "{0} is at level {1}.",
    next: "Level {0} is next to level {1}.",
    unshaked: "{0} is unshaked.",
    shaked: "{0} is shaked.",
    "cocktail-part1": "{0} part1 ingredient is {1}.",
    "cocktail-part2": "{0} part2 ingredient is {1}.",
  },
  actions: {
    grasp: "{0} grasp {1}.",
    leave: "{0} leave {1}.",
    "fill-shot": "fill-shot glass {0} with {1} with {2} and {3} holding {4}.",
    "refill-shot": "refill-shot {0} with {1} with {2} and {3} holding {4}.",
    "empty-shot": "use hand {0} to empty-shot glass {1} with beverage {2}.",
    "clean-shot": "clean-shot glass {0} with {1} with hand {2} holding shot glass and {3}.",
    "pour-shot-to-clean-shaker":
      "pour-shot-to-clean-shaker from a shot glass {0} with {1} to a clean shaker {2} with hand {3} from level {4} to level {5}.",
    "pour-shot-to-used-shaker":
      "pour-shot-to-used-shaker from a shot glass {0} with {1} to a used shaker {2} with hand {3} from level {4} to level {5}.",
    "empty-shaker": "use hand {0} to empty-shaker {1} with ingredient {2} from level {3} to level {4}.",
    "clean-shaker": "use hand {0} and hand {1} to clean-shaker {2}.",
    shake:
      "shake a cocktail {0} with ingredient {1} and ingredient {2} in a shaker {3} with hand {4} and hand {5}.",
    "pour-shaker-to-shot":
      "pour-shaker-to-shot the beverage {0} to a shot glass {1} with hand {2} from shaker {3} from level {4} to level {5}.",
  },
  rules:
    "You are a barman with two hands, shot glasses, a shaker and dispensers. A hand holds one container; filling, cleaning and shaking also need the other hand to be empty. Fill a clean, empty shot at a dispenser, pour shots of both parts of a cocktail into the clean, empty shaker (each raises its level by one), shake, and pour from the shaker into a clean, empty shot (the level sinks by one). Observations after an action name what became true.",
};

const TYREWORLD: Words = {
  facts: {
    isopen: "{0} is open.",
    closed: "{0} is closed.",
    have: "You have {0}.",
    in: "{0} is in {1}.",
    loose: "The nut {0} on the hub {1} is loose.",
    tight: "The nut {0} on the hub {1} is tight.",
    unlocked: "{0} is unlocked.",
    "on-ground": "Hub {0} is on the ground.",
    "not-on-ground": "Hub {0} is not on the ground.",
    inflated: "Wheel {0} is inflated.",
    "not-inflated": "Wheel {0} is not inflated.",
    fastened: "Hub {0} is fastened.",
    unfastened: "Hub {0} is unfastened.",
    free: "Hub {0} is free.",
    on: "{0} is on {1}.",
    intact: "Wheel {0} is intact.",
  },
  actions: {
    open: "Open {0}.",
    close: "Close {0}.",
    fetch: "Fetch {0} from {1}.",
    "put-away": "Put-away {0} in {1}.",
    loosen: "Loosen the nut {0} on the hub {1}.",
    tighten: "Tighten the nut {0} on the hub {1}.",
    "jack-up": "Jack-up the hub {0}.",
    "jack-down": "Jack-down the hub {0}.",
    undo: "Undo the fastening of the nut {0} on the hub {1}.",
    "do-up": "Do-up the nut {0} on the hub {1}.",
    "remove-wheel": "Remove-wheel {0} from the hub {1}.",
    "put-on-wheel": "Put-on-wheel {0} on the hub {1}.",
    inflate: "Inflate the wheel {0}.",
  },
  rules:
    "You change the wheels of a car with what is in its boot. Nuts are loosened and tightened with the wrench while the hub is on the ground; with the hub jacked up, loose nuts are undone or done up and a wheel is taken off or put on an unfastened hub. The jack is in use until the hub is let down. Only an intact wheel can be inflated, with the pump. Observations after an action name what became true.",
};

const DOMAINS: Readonly<Record<string, Words>> = {
  "gripper-strips": GRIPPER,
  "blocksworld-4ops": BLOCKWORLD,
  barman: BARMAN,
  tyreworld: TYREWORLD,
};

/** The sentence for a fact. */
export function factSentence(domain: string, [predicate = "", ...objects]: readonly string[]): string {
  return filled(DOMAINS[domain]?.facts[predicate], predicate, objects);
}

/** The sentence for an action. */
export function actionSentence(domain: string, name: string, objects: readonly string[]): string {
  return filled(DOMAINS[domain]?.actions[name], name, objects);
}

/** The rules of a domain, with the form of each action; undefined for an unknown domain. */
export function domainRules(domain: string): string | undefined {
  const words = DOMAINS[domain];
  if (!words) return undefined;
  const forms = Object.values(words.actions).map((template) => template.replace(/\{\d\}/g, "X"));
  return `${words.rules} Actions, with names for X: ${forms.join(" ")}`;
}

function filled(template: string | undefined, name: string, objects: readonly string[]): string {
  if (template === undefined) return `${[name, ...objects].join(" ")}.`;
  return template.replace(/\{(\d)\}/g, (slot, index: string) => objects[Number(index)] ?? slot);
}

/** A parsed sentence: an action's name, and the named objects in order. */
export interface SpokenAction {
  name: string;
  objects: string[];
}

/** Parses a sentence, or the words of a literal; undefined if it names no action. */
export function readAction(
  text: string,
  names: ReadonlySet<string>,
  objects: ReadonlySet<string>,
): SpokenAction | undefined {
  const words = text.toLowerCase().match(/[a-z0-9][\w-]*/g) ?? [];
  const name = words.find((word) => names.has(word));
  if (name === undefined) return undefined;
  return { name, objects: words.filter((word) => objects.has(word)) };
}
