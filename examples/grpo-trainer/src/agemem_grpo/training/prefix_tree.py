"""Sequences that begin alike, computed together: each beginning once, in one forward pass without padding.

The steps of a rollout share their system message and most of the conversation, and those after an edit of the context
cannot be joined (`joined.py`). Here all sequences of a batch become one tree of tokens. A token attends to the tokens
above it and has its place in the sequence as position, so that its hidden state, and every gradient, is the same as in
each sequence that it belongs to. Scores over the vocabulary are computed only where a token is trained on. Of a model
whose first layers are frozen, those layers are computed once for the policy and the reference.

Owns the tree and the pass through a decoder of Llama's form. Leaves out the loss (`trl_trainer.py`, `objective.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agemem_grpo.feed.samples import Batch


class UnknownModelError(TypeError):
    """The model is not built as a list of decoder layers with full attention."""


@dataclass(frozen=True, slots=True)
class SharedPiece:
    """A batch to compute as a tree: what policy and reference need, made once for both."""

    tree: PrefixTree
    completions: Tensor
    """(B, W), the last columns of the batch."""
    trained: Tensor
    """(B, W); tokens where it is 0 get no log-probability."""
    hidden: Tensor
    """After the frozen layers, (1, N, H)."""
    start: int
    """Number of those layers."""

    def logps(self, model: Any, temperature: float) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of the completions under a model: :func:`tree_logps`."""
        return tree_logps(
            model,
            self.tree,
            self.completions,
            self.trained,
            hidden=self.hidden,
            start=self.start,
            temperature=temperature,
        )


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """The distinct beginnings of a batch of sequences; each node is the last token of one of them."""

    ids: Tensor
    """Token of each node, (N,)."""
    positions: Tensor
    """Place of each node in its sequence, (N,)."""
    visible: Tensor
    """Whether a node (row) attends to another (column), (N, N)."""
    nodes: Tensor
    """The node of each token of the batch, (B, L); 0 where the batch is padded."""


def prefix_tree(ids: Tensor, attention: Tensor) -> PrefixTree:
    """The tree of the sequences in ``ids`` (B, L); ``attention`` is 0 where they are padded, on any side.

    >>> prefix_tree(torch.tensor([[5, 6, 7], [5, 6, 8]]), torch.ones(2, 3)).ids
    tensor([5, 6, 7, 8])
    """
    children: dict[tuple[int, int], int] = {}
    tokens: list[int] = []
    parents: list[int] = []
    depths: list[int] = []
    nodes = torch.zeros_like(ids, device="cpu")
    for row, (sequence, real) in enumerate(zip(ids.tolist(), attention.bool().tolist(), strict=True)):
        parent, depth = -1, 0
        for column, token in enumerate(sequence):
            if not real[column]:
                continue
            node = children.setdefault((parent, token), len(tokens))
            if node == len(tokens):
                tokens.append(token)
                parents.append(parent)
                depths.append(depth)
            nodes[row, column] = node
            parent, depth = node, depth + 1
    visible = torch.eye(len(tokens), dtype=torch.bool)
    for node, parent in enumerate(parents):
        if parent >= 0:
            visible[node] |= visible[parent]
    made = (torch.tensor(tokens), torch.tensor(depths), visible, nodes)
    return PrefixTree(*(each.to(ids.device) for each in made))


def shared_piece(model: Any, batch: Batch) -> SharedPiece:
    """What ``model`` and its reference share of a batch: the tree, and the states after the layers that are frozen."""
    ids = torch.cat([batch.prompt_ids, batch.completion_ids], dim=1)
    tree = prefix_tree(ids, torch.cat([batch.prompt_mask, batch.completion_mask], dim=1))
    start = frozen_layers(model)
    return SharedPiece(tree, batch.completion_ids, batch.loss_mask, trunk(model, tree, start), start)


def frozen_layers(model: Any) -> int:
    """How many layers from the first on need no gradient, adapters included; 0 when the embeddings are trained."""
    decoder = _decoder(model)
    if any(each.requires_grad for each in decoder.embed_tokens.parameters()):
        return 0
    trained = (any(each.requires_grad for each in layer.parameters()) for layer in decoder.layers)
    return next((at for at, any_trained in enumerate(trained) if any_trained), len(decoder.layers))


@torch.no_grad()
def trunk(model: Any, tree: PrefixTree, layers: int) -> Tensor:
    """Hidden states (1, N, H) after the first ``layers`` layers, without gradient."""
    return _through(model, tree, _decoder(model).embed_tokens(tree.ids[None]), range(layers))


def tree_logps(
    model: Any,
    tree: PrefixTree,
    completions: Tensor,
    trained: Tensor,
    *,
    hidden: Tensor,
    start: int,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities of completions and entropies (without gradient), each (B, W); 0 where ``trained`` is 0.

    ``completions`` (B, W) are the last columns of the batch that the tree was made of. ``hidden`` are the states after
    the first ``start`` layers, from :func:`trunk`. With 0 the embeddings, whose gradient is then wanted, are computed.
    """
    decoder = _decoder(model)
    if start == 0:
        hidden = decoder.embed_tokens(tree.ids[None])
    states = decoder.norm(_through(model, tree, hidden, range(start, len(decoder.layers))))[0]
    wanted = trained.bool()
    width = completions.shape[1]
    before = tree.nodes[:, -width - 1 : -1][wanted]
    scores = torch.log_softmax(_causal(model).get_output_embeddings()(states[before]).float() / temperature, dim=-1)
    chosen = scores.gather(1, completions[wanted][:, None])[:, 0]
    with torch.no_grad():
        entropy = -(scores.exp() * scores).sum(-1)
    empty = torch.zeros(completions.shape, dtype=chosen.dtype, device=chosen.device)
    return empty.masked_scatter(wanted, chosen), empty.masked_scatter(wanted, entropy)


def _through(model: Any, tree: PrefixTree, hidden: Tensor, layers: range) -> Tensor:
    decoder = _decoder(model)
    positions = tree.positions[None]
    rotation = decoder.rotary_emb(hidden, positions)
    mask = tree.visible[None, None]
    for at in layers:
        hidden = decoder.layers[at](
            hidden, attention_mask=mask, position_ids=positions, position_embeddings=rotation, use_cache=False
        )
    return hidden


def _causal(model: Any) -> Any:
    """The causal model inside an adapter's wrapping."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def _decoder(model: Any) -> Any:
    causal = _causal(model)
    decoder = causal.base_model
    parts = ("embed_tokens", "rotary_emb", "layers", "norm")
    missing = [name for name in parts if not hasattr(decoder, name)]
    kinds = set(getattr(causal.config, "layer_types", None) or ["full_attention"])
    if missing or kinds != {"full_attention"}:
        raise UnknownModelError(
            f"{type(causal).__name__} is not a decoder of Llama's form with full attention: "
            "leave train.share_prefixes out"
        )
    return decoder
