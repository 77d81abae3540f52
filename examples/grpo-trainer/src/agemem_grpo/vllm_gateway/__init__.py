"""A gateway in front of vLLM that answers as the policy server does, LoRA adapters by version included."""
