"""One run from beginning to end: evaluate, train, evaluate; and a study of many parallel runs.

Owns the order of these steps, and that a repeated run resumes where it stopped. Leaves out training (`loop.py`),
evaluation (`evaluate.py`) and the report (`study/report.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

from tqdm import tqdm

from agemem_grpo.errors import GrpoError
from agemem_grpo.settings import VARIANTS, Settings, SettingsError
from agemem_grpo.training.prepare import prepare, untrained_model
from agemem_grpo.training.state import RunFolder


class StudyError(GrpoError):
    """A run of a study failed; the message names its log."""


def run_folder(out: Path, variant: str, seed: int) -> RunFolder:
    """The folder of one run of a study."""
    return RunFolder(out / f"{variant}-{seed}")


def train(settings: Settings, out: Path, *, variant: str, seed: int, evaluations: bool = True) -> None:
    """Evaluates the policy, trains it, and evaluates the result, each only if it is not done yet.

    Errors: :class:`~agemem_grpo.settings.SettingsError` for an unknown variant, `RunFolderError` for a folder that is
    in use or has other settings, and those of training. Whatever ended it, the same call resumes.
    """
    check_variant(settings, variant)
    # Imported here, because loading torch and transformers takes seconds, and other commands need neither.
    from agemem_grpo.processes.services import Services
    from agemem_grpo.training.evaluate import evaluate
    from agemem_grpo.training.loop import Loop

    settings = prepare(settings, seed)
    folder = run_folder(out, variant, seed)
    with folder.locked():
        folder.claim(settings)
        before, after = folder.evaluation("before"), folder.evaluation("after")
        if folder.model.exists() and (not evaluations or (before.exists() and after.exists())):
            return
        with Services(settings, folder) as services:
            untrained = untrained_model(settings)
            if evaluations and untrained is not None and not folder.evaluation("untrained").exists():
                services.load_weights(untrained, 0)
                evaluate(settings, services, folder.evaluation("untrained"), version=0, seed=seed)
            if evaluations and not before.exists():
                services.load_weights(Path(settings.model), 0)
                evaluate(settings, services, before, version=0, seed=seed)
            Loop(settings, folder, services, variant=variant, seed=seed).train()
            if evaluations:
                services.load_weights(folder.model, settings.train.iterations)
                evaluate(settings, services, after, version=settings.train.iterations, seed=seed)


def check_variant(settings: Settings, variant: str) -> None:
    """Errors: :class:`~agemem_grpo.settings.SettingsError` for a variant that is unknown or that the settings lack."""
    if variant not in VARIANTS:
        raise SettingsError(f"There is no variant {variant!r}: {', '.join(VARIANTS)}")
    if variant == "counterfactual" and settings.counterfactual is None:
        raise SettingsError("The variant counterfactual needs the table [counterfactual]: at, tasks_per_iteration.")
    if variant == "answer-only" and settings.reward != "all-returns":
        raise SettingsError(f'The variant answer-only needs reward = "all-returns", not "{settings.reward}".')


def study(
    settings: Settings, command: Sequence[str], out: Path, *, variants: Sequence[str], seeds: Sequence[int], jobs: int
) -> None:
    """Makes the runs of all variants and seeds, ``jobs`` at a time, each in a process of its own.

    ``command`` is the beginning of the command line of one run; ``--variant``, ``--seed`` and ``--out`` are added.
    Finished runs end at once. If a run fails, the others still run, then :class:`StudyError` is raised.
    """
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        prepare(settings, seed)
    # Seed by seed, so that an interrupted study has complete comparisons.
    runs = [(variant, seed) for seed in seeds for variant in variants]
    die_with_us = [sys.executable, "-m", "agemem_grpo.processes.launch", str(os.getpid())]
    processes: list[subprocess.Popen[bytes]] = []

    def one(run: tuple[str, int]) -> str | None:
        variant, seed = run
        log = out / f"{variant}-{seed}.log"
        began = time.monotonic()
        with log.open("ab") as file:
            arguments = ["--variant", variant, "--seed", str(seed), "--out", str(out)]
            # Runs end with a killed study, or a repeated one would find their folders in use.
            process = subprocess.Popen([*die_with_us, *command, *arguments], stdout=file, stderr=subprocess.STDOUT)
            processes.append(process)
            status = process.wait()
        bar.write(f"{variant} seed {seed}: exit {status} after {time.monotonic() - began:.0f} s")
        return f"{variant} seed {seed} ended with {status}: see {log}" if status else None

    pool = ThreadPoolExecutor(max_workers=jobs)
    folders = [run_folder(out, *run) for run in runs]
    bar = tqdm(total=len(runs) * settings.train.iterations, unit="it", desc=out.name)
    try:
        futures = [pool.submit(one, run) for run in runs]
        while wait(futures, timeout=1.0).not_done:
            bar.n = sum(len(folder.read_metrics()) for folder in folders)
            bar.refresh()
        problems = [problem for future in futures if (problem := future.result())]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        raise
    finally:
        pool.shutdown()
        bar.close()
    if problems:
        raise StudyError("; ".join(problems))


def train_command(config: Path, overrides: Sequence[str]) -> list[str]:
    """The command line of one run of a study, without variant, seed and folder."""
    command = [sys.executable, "-m", "agemem_grpo.cli", "train", str(config)]
    for override in overrides:
        command += ["--set", override]
    return command
