"""The command `agemem-grpo`: train, study, evaluate, report, warm-start.

Owns the arguments and how errors are reported. Leaves out what the commands do (`training/run.py`, `study/report.py`).
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agemem_grpo.errors import GrpoError
from agemem_grpo.feed.groups import FeedError
from agemem_grpo.settings import VARIANTS, SettingsError, read_settings
from agemem_grpo.training.state import RunFolder


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, 1 for an expected error, 2 for wrong arguments."""
    # A stopped study or container must end its servers, so SIGTERM runs the same cleanup as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (GrpoError, FeedError) as error:
        print(f"agemem-grpo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("agemem-grpo: interrupted; repeat the command to resume", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agemem-grpo", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="evaluate, train with GRPO, evaluate; repeat the command to resume")
    _settings_arguments(train)
    train.add_argument("--variant", choices=list(VARIANTS), default="all-returns")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--no-evaluation", action="store_true", help="train only")
    train.set_defaults(command=_train)

    study = commands.add_parser("study", help="run several variants and seeds, then write the report")
    _settings_arguments(study)
    study.add_argument("--variants", default="all-returns,shuffled,answer-only")
    study.add_argument("--seeds", type=int, default=3, help="number of seeds: 0, 1, ... (default 3)")
    study.add_argument("--jobs", type=int, default=2, help="parallel runs (default 2)")
    study.set_defaults(command=_study)

    evaluate = commands.add_parser("evaluate", help="evaluate a model on the held-out tasks")
    _settings_arguments(evaluate)
    evaluate.add_argument("--model", required=True, help="folder of the model")
    evaluate.add_argument("--name", default="evaluation", help="name of the result (default: evaluation)")
    evaluate.add_argument("--seed", type=int, default=0)
    evaluate.set_defaults(command=_evaluate)

    report = commands.add_parser("report", help="write report.json, report.md and plots of the runs in a folder")
    report.add_argument("--out", type=Path, required=True, help="folder of the study")
    report.add_argument("--to", type=Path, help="folder of the report (default: the study's)")
    report.set_defaults(command=_report)

    warm = commands.add_parser("warm-start", help="train a tiny policy by imitation of recorded steps", add_help=False)
    warm.add_argument("rest", nargs=argparse.REMAINDER)
    warm.set_defaults(command=_warm_start)
    return parser


def _settings_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="settings file, see configs/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another value for a setting, as JSON or text: --set train.iterations=5",
    )


def overrides_of(pairs: Sequence[str]) -> dict[str, Any]:
    """``["train.beta=0.05", "device=cuda"]`` as names and values. Errors: `SettingsError` without ``=``.

    >>> overrides_of(["train.beta=0.05", "device=cuda"])
    {'train.beta': 0.05, 'device': 'cuda'}
    """
    overrides: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair}: expected NAME=VALUE")
        try:
            overrides[name] = json.loads(text)
        except json.JSONDecodeError:
            overrides[name] = text
    return overrides


def _train(options: argparse.Namespace) -> None:
    from agemem_grpo.training.run import train

    settings = read_settings(options.config, overrides_of(options.set), out=options.out)
    train(settings, options.out, variant=options.variant, seed=options.seed, evaluations=not options.no_evaluation)


def _study(options: argparse.Namespace) -> None:
    from agemem_grpo.study.report import write_report
    from agemem_grpo.training.run import check_variant, study, train_command

    variants = [name.strip() for name in options.variants.split(",")]
    settings = read_settings(options.config, overrides_of(options.set), out=options.out)
    for variant in variants:
        check_variant(settings, variant)
    command = train_command(options.config, options.set)
    study(settings, command, options.out, variants=variants, seeds=range(options.seeds), jobs=options.jobs)
    print(write_report(options.out, options.out))


def _evaluate(options: argparse.Namespace) -> None:
    from agemem_grpo.processes.services import Services
    from agemem_grpo.training.evaluate import evaluate

    overrides = overrides_of(options.set) | {"model": options.model}
    settings = read_settings(options.config, overrides, out=options.out)
    folder = RunFolder(options.out)
    with folder.locked(), Services(settings, folder) as services:
        services.load_weights(Path(settings.model), 0)
        result = evaluate(settings, services, folder.evaluation(options.name), version=0, seed=options.seed)
    for name in ("with_memory", "without_memory"):
        if name in result:
            measured = {key: result[name][key] for key in ("reward", "answer_f1", "answer_exact")}
            print(f"{name}: {json.dumps(measured)}")


def _report(options: argparse.Namespace) -> None:
    from agemem_grpo.study.report import write_report

    print(write_report(options.out, options.to or options.out))


def _warm_start(options: argparse.Namespace) -> None:
    from agemem_grpo.policy.warm_start import main as warm_start

    warm_start(options.rest)


if __name__ == "__main__":
    sys.exit(main())
