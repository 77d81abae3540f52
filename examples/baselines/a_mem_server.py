"""A-Mem by its fork on the package index, a-mem 0.2.6: a note per message, linked to and changing its neighbors.

The authors' code (agiresearch/A-mem) is on no package index. Embeddings come from the endpoint in place of MiniLM in the process, so
that they are the same for all memories and counted; torch, transformers and sentence-transformers are then not needed, and stand-ins
take their names.
"""

import os
import shutil
import sys
import tempfile
import types

from openai import OpenAI
from protocol import Memory, arguments, serve

os.environ["ANONYMIZED_TELEMETRY"] = "False"
for module, names in {"sentence_transformers": ["SentenceTransformer"], "transformers": ["AutoModel", "AutoTokenizer"]}.items():
    stand_in = types.ModuleType(module)
    for name in names:
        setattr(stand_in, name, type(name, (), {}))
    sys.modules[module] = stand_in

import chromadb  # noqa: E402
from agentic_memory import memory_system, retrievers  # noqa: E402

HOME = tempfile.mkdtemp(prefix="agemem-a-mem-")


class EndpointEmbedding(chromadb.EmbeddingFunction):
    """Vectors from the counting endpoint."""

    endpoint: OpenAI

    def __init__(self, model_name: str = "proxied") -> None:
        self.model_name = model_name

    def __call__(self, input: list[str]) -> list[list[float]]:
        answer = self.endpoint.embeddings.create(model=self.model_name, input=list(input))
        return [item.embedding for item in answer.data]

    @staticmethod
    def name() -> str:
        return "agemem-endpoint"

    def get_config(self) -> dict:
        return {"model_name": self.model_name}

    @staticmethod
    def build_from_config(config: dict) -> "EndpointEmbedding":
        return EndpointEmbedding(**config)


retrievers.SentenceTransformerEmbeddingFunction = EndpointEmbedding


class AMem(Memory):
    """A collection of its own per reset. Each message is one note, as in A-Mem's own runs on LoCoMo."""

    def __init__(self, options) -> None:
        self.options = options
        self.resets = 0
        os.environ["OPENAI_BASE_URL"] = options.base_url
        EndpointEmbedding.endpoint = OpenAI(base_url=options.base_url, api_key=options.api_key)

    def reset(self, user: str) -> None:
        self.resets += 1
        self.sources: dict[str, str] = {}
        self.system = memory_system.AgenticMemorySystem(
            model_name="proxied",
            llm_backend="openai",
            llm_model=self.options.model,
            api_key=self.options.api_key,
            storage_path=os.path.join(HOME, str(self.resets)),
        )

    def add(self, messages: list[dict]) -> None:
        for message in messages:
            note = self.system.add_note(message["content"])
            if "id" in message:
                self.sources[note] = message["id"]

    def search(self, query: str, k: int) -> list[dict]:
        """A-Mem's own search brings ids with scores, where smaller is nearer."""
        found = self.system.search_agentic(query, k=k)
        return [self.told(item["id"], item.get("score")) for item in found]

    def all(self) -> list[dict]:
        return [self.told(note, None) for note in self.system.retriever.get_all_ids()]

    def close(self) -> None:
        shutil.rmtree(HOME, ignore_errors=True)

    def told(self, id: str, distance: float | None) -> dict:
        """A note as A-Mem shows it to its reader: content, context, keywords, tags."""
        note = self.system.read(id)
        parts = [note.content, f"context: {note.context}"]
        parts += [f"{name}: {', '.join(map(str, values))}" for name, values in (("keywords", note.keywords), ("tags", note.tags)) if values]
        sources = [self.sources[id]] if id in self.sources else []
        return {"text": "; ".join(parts), "score": None if distance is None else -distance, "sources": sources}


if __name__ == "__main__":
    given = arguments()
    serve(AMem(given), given.port)
