"""LangMem 0.0.30 over LangGraph's InMemoryStore: its store manager, which extracts, updates and deletes memories."""

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langgraph.store.memory import InMemoryStore
from langmem import create_memory_store_manager
from protocol import Memory, arguments, serve

NAMESPACE = ("memories", "{user}")


class LangMemMemory(Memory):
    """A new store per reset; memories are free text, as in LangMem's default schema."""

    def __init__(self, options) -> None:
        endpoint = {"base_url": options.base_url, "api_key": options.api_key}
        self.model = ChatOpenAI(model=options.model, temperature=0, **endpoint)
        # Texts, not token ids, because the endpoint has its own tokenizer.
        self.embeddings = OpenAIEmbeddings(model="proxied", check_embedding_ctx_length=False, **endpoint)
        self.dims = options.dims
        self.user = ""

    def reset(self, user: str) -> None:
        self.user = user
        self.store = InMemoryStore(index={"dims": self.dims, "embed": self.embeddings})
        self.manager = create_memory_store_manager(
            self.model, namespace=NAMESPACE, enable_deletes=True, store=self.store
        )

    def add(self, messages: list[dict]) -> None:
        told = [{"role": message["role"], "content": message["content"]} for message in messages]
        self.manager.invoke({"messages": told}, config={"configurable": {"user": self.user}})

    def search(self, query: str, k: int) -> list[dict]:
        return self.found(self.store.search(("memories", self.user), query=query, limit=k))

    def all(self) -> list[dict]:
        return self.found(self.store.search(("memories", self.user), limit=10_000))

    @staticmethod
    def found(items) -> list[dict]:
        return [{"text": text_of(item.value), "score": item.score} for item in items]


def text_of(value: dict) -> str:
    content = value.get("content", value)
    return content["content"] if isinstance(content, dict) and "content" in content else str(content)


if __name__ == "__main__":
    given = arguments()
    serve(LangMemMemory(given), given.port)
