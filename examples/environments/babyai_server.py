"""BabyAI's levels as an environment server. A task's setup is {"level": "BabyAI-...-v0", "seed", "subgoals", "goal"}.

Progress is AgentBoard's: a subgoal consists of parts separated by "**", all of which one sentence must contain. Each
subgoal counts once, and at most one counts per step. Without subgoals progress is 1 when the level's own check is met.
The expert is minigrid's bot, one move at a time.
"""

import importlib.util
import os
import sys

import gymnasium
import minigrid

from babyai_text import DROP, FORWARD, LEFT, PICKUP, RIGHT, TOGGLE, View
from protocol import Game, RequestError, serve, state

# Releases before 2.5 register their levels only on demand.
if "BabyAI-GoToRedBall-v0" not in gymnasium.registry:
    minigrid.register_minigrid_envs()

ACTION_ALIASES = (("pick up ", "pickup "),)


class BabyAI(Game):
    def __init__(self):
        self.environment = None

    def reset(self, setup):
        level, seed = setup.get("level"), setup.get("seed")
        if level not in gymnasium.registry or not str(level).startswith("BabyAI-"):
            raise RequestError(f"BabyAI has no level {level!r}")
        if not isinstance(seed, int):
            raise RequestError(f"the seed is {seed!r}, not a number")
        self.close()
        self.environment = gymnasium.make(level)
        self.seen, _ = self.environment.reset(seed=seed)
        mission = self.environment.unwrapped.mission
        self.goal = setup.get("goal") or mission
        subgoals = setup.get("subgoals") or []
        # Some tasks can be solved in several ways; each is a list of subgoals.
        self.ways = [list(way) for way in subgoals] if subgoals and isinstance(subgoals[0], list) else [list(subgoals)]
        self.total = len(self.ways[0])
        self.points = 0
        self.progress = 0.0
        self.over = False
        self.solved = False
        self.bot = None
        self.look()
        return self.tell(self.view.describe(), True)

    def look(self):
        self.view = View(self.environment.unwrapped, self.seen["image"], self.seen["direction"])
        self.possible, self.refused = self.view.actions()

    def tell(self, text, valid):
        won = self.progress >= 1
        return state(text, self.goal, self.progress, won, won or self.over, valid)

    def score(self, text):
        if not self.total:
            self.progress = 1.0 if self.solved else 0.0
            return
        for index in range(len(self.ways[0])):
            if any(matches(text, way[index]) for way in self.ways):
                for way in self.ways:
                    del way[index]
                self.points += 1
                self.progress = max(self.progress, self.points / self.total)
                return

    def step(self, action):
        action = " ".join(action.lower().strip().rstrip(".").split())
        for other, name in ACTION_ALIASES:
            action = action.replace(other, name)
        # Not anywhere: an answer that repeats the hint below asks nothing.
        if action.startswith("check"):
            return self.tell("You can take the following actions: " + ", ".join(self.possible), True)
        moves = self.possible.get(action)
        if moves is None:
            why = self.refused.get(action, 'The action is not recognized. Say "check available actions".')
            return self.tell(why, False)
        if not moves:
            return self.tell("No change in state.", True)
        self.do(moves)
        self.look()
        text = self.view.describe()
        self.score(text)
        if self.progress >= 1 or self.over:
            text += "\nThe task is completed." if self.progress >= 1 else "\nThe episode is over."
        return self.tell(text, True)

    def do(self, moves):
        """Makes the moves; one that changes nothing in view ends the walk."""
        for move in moves:
            before = self.seen["image"]
            self.seen, reward, terminated, truncated, _ = self.environment.step(move)
            self.last = move
            if terminated and reward > 0:
                self.solved = True
            # The level's own check ends a task without subgoals; otherwise only failure or running out of time does.
            if truncated or (terminated and (self.total == 0 or reward <= 0)):
                self.over = True
                return
            if terminated or (before == self.seen["image"]).all():
                return

    def available_actions(self):
        return list(self.possible)

    def expert(self):
        """The bot's next move in words; None if it gives up."""
        if self.bot is None:
            self.bot = bot_class()(self.environment.unwrapped)
            self.bot.stack = Plans(self.bot.stack)
            self.last = None
        try:
            move = int(self.bot.replan(self.last))
        except Exception:  # the bot has assertions, which fail in some levels
            return None
        words = self.in_words(move)
        return None if words is None else [words]

    def in_words(self, move):
        simple = {LEFT: "turn left", RIGHT: "turn right", FORWARD: "move forward", DROP: "drop", TOGGLE: "toggle"}
        if move in simple:
            return simple[move]
        if move == PICKUP:
            return next((name for name, moves in self.possible.items() if moves == [PICKUP]), None)
        return None

    def close(self):
        if self.environment is not None:
            self.environment.close()
            self.environment = None


class Plans(list):
    """The bot's stack of plans, which the bot would extend forever where no plan helps."""

    def append(self, plan):
        if len(self) >= 100:
            raise RuntimeError("the bot goes in circles")
        super().append(plan)


def matches(text, pattern):
    parts = [part.strip(".") for part in pattern.strip().split("**" if "**" in pattern else "*")]
    return any(all(part in sentence for part in parts) for sentence in text.split("."))


def bot_class():
    """The bot is newer than the release whose levels the tasks use, so its file is loaded from a later release."""
    folder = os.environ.get("AGEMEM_BABYAI_BOT") or os.path.join(sys.prefix, "bot")
    path = os.path.join(folder, "minigrid", "utils", "baby_ai_bot.py")
    if not os.path.isfile(path):
        raise RequestError(f"the bot is not installed ({path})")
    spec = importlib.util.spec_from_file_location("agemem_baby_ai_bot", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.BabyAIBot


if __name__ == "__main__":
    serve("babyai", BabyAI)
