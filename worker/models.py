"""`python -m worker.models pull ID...` and `check [ID...]`: what `darkroom models` runs where torch is installed.

Knows the catalog and the denoiser; knows nothing of Redis. One line on standard output for each model.
"""

import argparse
import sys
from collections.abc import Iterable

from contract.errors import CatalogError, DarkroomError
from contract.logs import configure_logs
from contract.model import Model
from contract.model_catalog import ModelCatalog, read_model_catalog
from contract.settings import LogSettings, read_settings
from worker.settings import WorkerSettings, configure_libraries


def main() -> int:
    """The exit code: 0, 1 where a model cannot be had or drawn with, 2 where settings or models.toml cannot be used."""
    parser = argparse.ArgumentParser(prog="darkroom models")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("pull").add_argument("ids", nargs="+")
    verbs.add_parser("check").add_argument("ids", nargs="*")
    arguments = parser.parse_args()
    configure_logs("worker", LogSettings(log_format="console", log_level="error"))
    configure_libraries()
    try:
        settings = read_settings(WorkerSettings)
        catalog = read_model_catalog(settings.models)
        models = [catalog.choose(model_id) for model_id in arguments.ids] or list(catalog.models.values())
        if arguments.verb == "check":
            return _check(catalog, models, settings)
    except DarkroomError as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 2
    return _pull(models, settings.safety_checker)


def _pull(models: Iterable[Model], safety_checker: bool) -> int:
    from worker.footprint import read_footprint
    from worker.model_files import download

    failed = 0
    for model in models:
        if not model.revision:
            print(f"{model.id}: nothing to fetch, {model.source} is on this machine")
            continue
        try:
            folder = download(model, safety_checker)
            parameters = read_footprint(model, folder).parameters
            print(f"{model.id}: {parameters / 1e6:.0f} million parameters in {folder}")
        except CatalogError as error:
            failed += 1
            print(f"{model.id}: failed: {error}")
    return int(bool(failed))


def _check(catalog: ModelCatalog, models: Iterable[Model], settings: WorkerSettings) -> int:
    from worker.model_files import check_local_sources

    check_local_sources(catalog, settings.models)
    from worker.denoise import Denoiser
    from worker.device import choose_device
    from worker.model_checks import draw_with

    denoiser = Denoiser(catalog, settings, choose_device(settings))
    failed = 0
    for model in models:
        works, words = draw_with(denoiser, model)
        failed += not works
        print(f"{model.id}: {words}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
