"""Mem0 as in the paper: mem0ai 1.0.11 with vectors in memory (Qdrant); --graph adds its graph of entities (kuzu)."""

import os
import shutil
import tempfile

os.environ["MEM0_TELEMETRY"] = "False"
HOME = tempfile.mkdtemp(prefix="agemem-mem0-")
os.environ["MEM0_DIR"] = HOME

from mem0 import Memory as Mem0  # noqa: E402
from protocol import Memory, arguments, serve  # noqa: E402


class Mem0Memory(Memory):
    """One Mem0 per user: a reset creates a new one in its own folder."""

    def __init__(self, options) -> None:
        self.options = options
        self.user = ""
        self.mem0: Mem0 | None = None
        self.forgotten = 0

    def reset(self, user: str) -> None:
        self.forgotten += 1
        folder = os.path.join(HOME, str(self.forgotten))
        os.makedirs(folder)
        endpoint = {"api_key": self.options.api_key, "openai_base_url": self.options.base_url}
        config = {
            "llm": {"provider": "openai", "config": {"model": self.options.model, "temperature": 0, **endpoint}},
            "embedder": {
                "provider": "openai",
                "config": {"model": "proxied", "embedding_dims": self.options.dims, **endpoint},
            },
            "vector_store": {
                "provider": "qdrant",
                "config": {
                    "path": os.path.join(folder, "qdrant"),
                    "embedding_model_dims": self.options.dims,
                    "on_disk": False,
                },
            },
            "history_db_path": os.path.join(folder, "history.db"),
        }
        if self.options.graph:
            config["graph_store"] = {"provider": "kuzu", "config": {"db": ":memory:"}}
        self.user = user
        self.mem0 = Mem0.from_config(config)

    def add(self, messages: list[dict]) -> None:
        told = [{"role": message["role"], "content": message["content"]} for message in messages]
        self.mem0.add(told, user_id=self.user)

    def search(self, query: str, k: int) -> list[dict]:
        """Mem0 returns the graph's edges besides the k memories; here they take up to half of the k places."""
        found = self.mem0.search(query, user_id=self.user, limit=k)
        edges = self.relations(found)[: k // 2]
        return [*self.texts(found)[: k - len(edges)], *edges]

    def close(self) -> None:
        shutil.rmtree(HOME, ignore_errors=True)

    def all(self) -> list[dict]:
        found = self.mem0.get_all(user_id=self.user, limit=10_000)
        return [*self.texts(found), *self.relations(found)]

    @staticmethod
    def texts(found: dict) -> list[dict]:
        return [{"text": item["memory"], "score": item.get("score")} for item in found["results"]]

    @staticmethod
    def relations(found: dict) -> list[dict]:
        """Edges of the graph as sentences, after the memories that the vectors found."""
        edges = found.get("relations") or []
        return [
            {"text": f"{edge['source']} {edge['relationship']} {edge.get('destination') or edge.get('target')}"}
            for edge in edges
        ]


if __name__ == "__main__":
    given = arguments()
    serve(Mem0Memory(given), given.port)
