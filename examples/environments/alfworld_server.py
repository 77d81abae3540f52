"""ALFWorld's text games as an environment server. A task's setup is {"game": PATH of a game.tw-pddl}.

Success only: AgentBoard's subgoals for ALFWorld are not public, so progress is 1 when the game is won and 0 before.
"""

import os
import tempfile

# Importing alfworld creates a folder for its downloads, which are not needed.
os.environ.setdefault("ALFWORLD_DATA", os.path.join(tempfile.gettempdir(), "agemem-alfworld"))

import textworld  # noqa: E402
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler, AlfredInfos  # noqa: E402

from protocol import Game, RequestError, serve, state  # noqa: E402

INFOS = textworld.EnvInfos(won=True, admissible_commands=True, extras=["gamefile", "walkthrough"])
GOAL = "Your task is to: "
# A question of AgentBoard's setting, which the game does not know; it changes nothing and costs a step.
CHECK = "check valid actions"


class AlfWorld(Game):
    def __init__(self):
        self.environment = None

    def reset(self, setup):
        path = setup.get("game")
        if not isinstance(path, str) or not os.path.isfile(path):
            raise RequestError(f"there is no game file {path!r}")
        self.close()
        self.environment = textworld.start(path, INFOS, wrappers=[AlfredDemangler(shuffle=False), AlfredInfos])
        self.now = self.environment.reset()
        self.taken = 0
        # The first line is the engine's banner.
        text = self.now.feedback.split("\n", 1)[-1].strip()
        self.goal = text[text.index(GOAL) + len(GOAL) :].strip() if GOAL in text else ""
        return self.tell(text, True)

    def tell(self, text, valid):
        won = bool(self.now.get("won"))
        return state(text, self.goal, 1.0 if won else 0.0, won, won, valid)

    def step(self, action):
        if action.strip().lower().rstrip(".") == CHECK:
            return self.tell("You can take the following actions: " + ", ".join(self.available_actions()), True)
        self.taken += 1
        self.now, _, _ = self.environment.step(action.strip().rstrip("."))
        text = self.now.feedback.strip()
        return self.tell(text, not text.startswith("Nothing happens"))

    def available_actions(self):
        return list(self.now.get("admissible_commands") or [])

    def expert(self):
        """The walkthrough stored in the game file, from its beginning."""
        walkthrough = self.now.get("extra.walkthrough")
        if not walkthrough or self.taken:
            return None
        return list(walkthrough)

    def close(self):
        if self.environment is not None:
            self.environment.close()
            self.environment = None


if __name__ == "__main__":
    serve("alfworld", AlfWorld)
