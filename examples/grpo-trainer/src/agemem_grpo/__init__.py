"""Step-wise GRPO for a policy that manages its own memory, fed by agemem's trajectories and rollout service.

Import from the modules; the package itself loads nothing, so that reading a feed needs no torch.
"""
