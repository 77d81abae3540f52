"""The trainer of `bench/feed.ts`: takes groups from rollout services, writes their ids, and says what it took.

Usage: feed-client.py TASKS OUT REQUEST URL... [--shared]. OUT gets `group_id bytes` per group; the last line of standard
output is JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "examples" / "grpo-trainer" / "src"))

from agemem_grpo.feed.service import RolloutService

arguments = [each for each in sys.argv[1:] if not each.startswith("--")]
tasks_file, out, request, *urls = arguments
shared = "--shared" in sys.argv
tasks = [json.loads(line) for line in Path(tasks_file).read_text().splitlines()]
service = RolloutService(urls, json.loads(request), shared=shared, patience_s=300)
began = time.time()
rollouts = groups = 0
with open(out, "a", buffering=1) as file:
    for group in service.rollout(tasks, 1, run_name="feed"):
        groups += 1
        rollouts += len(group.trajectories)
        file.write(f"{group.group_id} {time.time():.3f}\n")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"groups": groups, "rollouts": rollouts, "seconds": round(time.time() - began, 1), "peak_mib": peak}))
