"""What a BabyAI agent sees and does, in words: AgentBoard's wording for minigrid's view.

An object is named by color and kind and numbered from near to far ("red ball 1"), a door also by its state. "go to",
"pickup", "go through" and "toggle and go through" are walks: the shortest way over the cells in view, found by
breadth-first search.
"""

from collections import deque

from minigrid.core.constants import DIR_TO_VEC, IDX_TO_COLOR, IDX_TO_OBJECT

LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE = range(6)
DOOR_STATES = ("open", "closed", "locked")
NAMED = ("door", "key", "ball", "box", "goal", "lava")
SOLID = ("wall", "key", "ball", "box", "lava")


class View:
    """One view: named objects from near to far, solid cells, and how far the way ahead is free."""

    def __init__(self, environment, image, direction):
        self.position = tuple(int(each) for each in environment.agent_pos)
        self.direction = int(direction)
        self.carrying = environment.carrying
        self.objects = []
        self.cells = set()
        self.solid = set()
        ahead = [tuple(int(each) for each in DIR_TO_VEC[way]) for way in range(4)]
        self.ahead = ahead
        front, right = ahead[self.direction], ahead[(self.direction + 1) % 4]
        size = environment.agent_view_size
        facing = []
        # Row by row from the far end, because the order of equally near objects depends on it.
        for row in range(size):
            for column in range(size):
                forward, aside = size - 1 - row, column - size // 2
                cell = tuple(self.position[axis] + forward * front[axis] + aside * right[axis] for axis in (0, 1))
                if min(cell) < 0:
                    continue
                self.cells.add(cell)
                if forward == 0 and aside == 0:
                    continue
                kind, color, door = (int(each) for each in image[column, row])
                kind, color = IDX_TO_OBJECT[kind], IDX_TO_COLOR.get(color, "")
                if kind in SOLID:
                    self.solid.add(cell)
                if kind in NAMED:
                    name = f"{color} {DOOR_STATES[door]} {kind}" if kind == "door" else f"{color} {kind}"
                    self.objects.append((forward + abs(aside), name, kind, cell, forward, aside))
                if kind in ("box", "wall") and aside == 0:
                    facing.append((forward, kind))
        self.objects.sort(key=lambda each: each[0])
        self.facing = min(facing, default=None)
        counts = {}
        self.numbered = []
        for _, name, kind, cell, forward, aside in self.objects:
            counts[name] = counts.get(name, 0) + 1
            self.numbered.append((f"{name} {counts[name]}", kind, cell, forward, aside))

    def describe(self):
        text = "In front of you in this room, you can see several objects: "
        for name, _, _, forward, aside in self.numbered:
            if aside == 0:
                where = f"right in front of you {forward} steps away. "
            else:
                side = "right" if aside > 0 else "left"
                where = f"{forward} steps in front of you and {abs(aside)} steps to your {side}. "
            text += f"There is a {name} {where} "
        text += "The room has walls around you. "
        if self.facing:
            text += f"You are facing a {self.facing[1]} {self.facing[0]} steps away. "
        if self.carrying is None:
            return text + "You are not carrying anything."
        return text + f"You are carrying a {self.carrying.color} {self.carrying.type}."

    def walk(self, target, onto):
        """Moves that lead in front of the target, facing it, or onto it; None if there is no way in view."""
        start = (self.position, self.direction)
        before = {start: None}
        queue = deque([start])
        while queue:
            place = queue.popleft()
            (x, y), way = place
            step = self.ahead[way]
            next_cell = (x + step[0], y + step[1])
            if (x, y) == target if onto else next_cell == target:
                return self.moves_to(place, before)
            turns = [((x, y), (way - 1) % 4, LEFT), ((x, y), (way + 1) % 4, RIGHT)]
            if next_cell in self.cells and next_cell not in self.solid:
                turns.insert(0, (next_cell, way, FORWARD))
            for cell, direction, move in turns:
                if (cell, direction) not in before:
                    before[(cell, direction)] = (place, move)
                    queue.append((cell, direction))
        return None

    @staticmethod
    def moves_to(place, before):
        moves = []
        while before[place] is not None:
            place, move = before[place]
            moves.append(move)
        return moves[::-1]

    def actions(self):
        """Possible actions, each with its moves, and the reasons why others are impossible."""
        possible, refused = {"turn left": [LEFT], "turn right": [RIGHT]}, {}
        if self.facing is None or self.facing[0] > 1:
            possible["move forward"] = [FORWARD]
        else:
            refused["move forward"] = f"There is a {self.facing[1]} in front of you: you cannot move forward."
        self.add_drop(possible, refused)
        for name, kind, cell, _, _ in self.numbered:
            moves = self.walk(cell, onto=False)
            if kind == "goal":
                moves = self.walk(cell, onto=True)
                self.add(possible, refused, "go to goal", moves)
                continue
            self.add(possible, refused, f"go to {name}", moves)
            if kind == "door":
                self.add_door(possible, refused, name, cell, moves)
            elif self.carrying is None:
                self.add(possible, refused, f"pickup {name}", moves, [PICKUP])
            else:
                refused[f"pickup {name}"] = "You cannot pick anything up while you carry something."
            if kind == "box" and moves == []:
                possible["toggle"] = [TOGGLE]
        possible["check available actions"] = []
        return possible, refused

    @staticmethod
    def add(possible, refused, action, moves, then=()):
        if moves is None:
            refused[action] = f"You cannot {action}: no way in view leads there."
        else:
            possible[action] = [*moves, *then]

    def add_drop(self, possible, refused):
        step = self.ahead[self.direction]
        in_front = (self.position[0] + step[0], self.position[1] + step[1])
        if self.carrying is None:
            refused["drop"] = "You cannot drop anything: you carry nothing."
        elif in_front in self.solid:
            refused["drop"] = "You cannot drop it here: something is in front of you."
        else:
            possible["drop"] = [DROP]

    def add_door(self, possible, refused, name, cell, moves):
        color, door = name.split(" ")[:2]
        if door == "open":
            self.add(possible, refused, f"go through {name}", self.walk(cell, onto=True))
            return
        refused[f"go through {name}"] = f"You cannot go through {name}: it is {door}."
        key = self.carrying is not None and self.carrying.type == "key" and self.carrying.color == color
        if door == "locked" and not key:
            refused[f"toggle and go through {name}"] = f"You cannot open {name}: you carry no {color} key."
            return
        self.add(possible, refused, f"toggle and go through {name}", moves, [TOGGLE, FORWARD])
        if moves == []:
            possible["toggle"] = [TOGGLE]
