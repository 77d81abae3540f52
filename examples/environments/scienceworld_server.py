"""ScienceWorld as an environment server. A task's setup is AgentBoard's: {"task", "variation", "subgoals", "goal"}.

Progress is the share of subgoals (regular expressions) that an observation has matched so far; without subgoals it is
the simulator's own score, which is always sent as `score` (0 to 100).
"""

import os
import re

from scienceworld import ScienceWorldEnv

from protocol import Game, RequestError, serve, state

SIMPLIFICATIONS = "selfWateringFlowerPots,openContainers,openDoors,noElectricalAction"
# Electrical tasks are refused without electrical actions.
WITH_ELECTRICITY = "selfWateringFlowerPots,openContainers,openDoors"
# A question of AgentBoard's setting, which the simulator does not know; it changes nothing and costs a step.
CHECK = "check valid actions"
NO_MATCH = ("No known action matches that input", "Unknown action", "Ambiguous request", "It's not clear how")


class ScienceWorld(Game):
    # A simulator is a separate Java process, so one is kept and reused by later episodes.
    spare = []

    def __init__(self):
        self.environment = self.spare.pop() if self.spare else ScienceWorldEnv("", None, envStepLimit=1000)
        self.gold = None

    def reset(self, setup):
        task, variation = setup.get("task"), setup.get("variation")
        if task not in self.environment.get_task_names():
            raise RequestError(f"ScienceWorld has no task {task!r}")
        try:
            variation = int(variation)
        except (TypeError, ValueError):
            raise RequestError(f"the variation is {variation!r}, not a number") from None
        if not 0 <= variation < self.environment.get_max_variations(task):
            raise RequestError(f"{task} has no variation {variation}")
        electrical = "power-component" in task or "conductivity" in task
        simplifications = setup.get("simplifications") or (WITH_ELECTRICITY if electrical else SIMPLIFICATIONS)
        self.environment.load(task, variation, simplifications, generateGoldPath=True)
        observation, info = self.environment.reset()
        self.asked = (task, variation)
        self.goal = setup.get("goal") or info["taskDesc"]
        self.patterns = [re.compile(pattern) for pattern in setup.get("subgoals") or []]
        self.met = [False] * len(self.patterns)
        self.taken = 0
        self.score = 0
        self.won = False
        self.over = False
        return self.tell(f"{observation}\n{info['inv']}", True)

    def tell(self, text, valid):
        for index, pattern in enumerate(self.patterns):
            self.met[index] = self.met[index] or pattern.search(text) is not None
        if self.patterns:
            progress = sum(self.met) / len(self.met)
        else:
            progress = max(0, self.score) / 100
        self.won = progress >= 1
        return state(text, self.goal, progress, self.won, self.won or self.over, valid, score=self.score)

    def step(self, action):
        if not self.over and action.strip().lower().rstrip(".") == CHECK:
            return self.tell("You can take the following actions: " + ", ".join(self.available_actions()), True)
        self.taken += 1
        if self.over:
            return self.tell("The episode is over.", False)
        text, _, done, info = self.environment.step(action.strip())
        self.score = info["score"]
        self.over = bool(done)
        return self.tell(text, not text.startswith(NO_MATCH))

    def available_actions(self):
        return list(self.environment.get_possible_actions())

    def expert(self):
        """The simulator's gold path; it starts at the beginning."""
        if self.taken:
            return None
        gold = list(self.environment.get_gold_action_sequence())
        return None if not gold or gold[0].startswith("ERROR") else gold

    def close(self):
        self.spare.append(self.environment)


if __name__ == "__main__":
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-Xmx512m")
    serve("scienceworld", ScienceWorld)
