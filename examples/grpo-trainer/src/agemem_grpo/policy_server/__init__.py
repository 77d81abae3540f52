"""An OpenAI-compatible server for small policies on CPUs and in tests; vLLM takes its place on GPUs.

It answers as vLLM does, with the token ids and log-probabilities it sampled, so that one client works with both.
"""

from agemem_grpo.policy_server.policy_server import PolicyServer, ServerOptions

__all__ = ["PolicyServer", "ServerOptions"]
