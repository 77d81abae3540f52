"""A gateway in front of vLLM that answers as the policy server does, including versions of LoRA adapters."""
