"""One training from its task to a registered version: the order of things, and what MLflow keeps."""

from __future__ import annotations

import io
import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from housing_core import bundle as parts
from housing_core.api.status import Outcome
from housing_core.bundle import BUNDLE_PATH, Summary
from housing_core.log_reading.dataset import list_dataset, split_listing
from housing_core.registry import Registry, RegistryError
from housing_core.registry_types import RegisteredVersion
from housing_core.storage import DataFile, fingerprint
from housing_core.tasks import TrainingOutcome, TrainingTask
from housing_core.times import format_time
from housing_training.data.learned_rows import LEARNED_ARTIFACT, LearnedRows
from housing_training.data.preparation import Rows, prepare_rows
from housing_training.data.splitting import rows_digest
from housing_training.evaluation.inspection import permutation_importance
from housing_training.evaluation.leakage import leakage_warning, leaking_columns
from housing_training.evaluation.metrics import BASELINE_NAME
from housing_training.export.bundling import golden_rows
from housing_training.learning import Evaluated, Prepared, evaluate, prepare, write_graph
from housing_training.models.fitted import Model
from housing_training.production import ROWS_ARTIFACT, Production
from housing_training.progress import Progress
from housing_training.registration.figures import evaluation_files
from housing_training.registration.model_card import (
    CARD_FILE,
    description,
    in_a_sentence,
    model_card,
)
from housing_training.registration.records import environment, metrics, parameters, tags
from housing_training.resumable import ResumableLearning
from housing_training.selection.racing import calibration_of
from housing_training.tracking import TrainingRun, patiently
from housing_training.workers.crew import ALONE, Crew

FILES_ARTIFACT = "files.json"
MESSAGES_ARTIFACT = "messages.txt"
EVALUATION_FOLDER = "evaluation"
MESSAGE_LIMIT = 5000
"""MLflow cuts a tag off at 8,000 bytes."""

logger = logging.getLogger(__name__)


class TrainingJob:
    """One attempt of one training.

    Attributes:
        run_id: the MLflow run, once there is one.
        dataset_fingerprint: of the listing, once it was made.

    """

    def __init__(self, task: TrainingTask, registry: Registry) -> None:
        self.task, self.registry = task, registry
        self.progress = Progress()
        self.run: TrainingRun | None = None
        self.dataset_fingerprint: str | None = None

    @property
    def run_id(self) -> str | None:
        """Id of the MLflow run, once there is one."""
        return self.run.run_id if self.run else None

    def train(self) -> TrainingOutcome:
        """Train and register; what was done before by another attempt is not done again.

        Raises:
            InvalidDataError: when the data cannot be trained on.
            StorageError: when the data cannot be reached.
            RegistryError: when MLflow refuses, or stays away.

        """
        task = self.task
        done = patiently(lambda: self.registry.version_of_key(task.model_name, task.key))
        if done is not None:
            return self._registered_before(done)
        self.run = run = TrainingRun.of_key(
            self.registry,
            task.model_name,
            task.key,
            {"mlflow.runName": task.key, "trigger": task.trigger, "token": task.token},
        )
        self.progress.listener = run.report
        self.progress.say(
            f"attempt {task.attempt} of training {task.key} in run {run.run_id}",
            trigger=task.trigger,
        )
        with self._crew() as crew:
            return self._train_with(crew, run)

    @contextmanager
    def _crew(self) -> Iterator[Crew]:
        """Whoever does the work; where that cannot be several pods it is this process."""
        crewing, distributed = self.task.crewing, self.task.training.distributed
        if crewing is None or distributed is None:
            yield ALONE
            return
        # Dask takes a second to import, and most trainings have one pod.
        from housing_training.workers.dask_crew import DaskCrew  # noqa: PLC0415 - see above

        try:
            several = DaskCrew(crewing, distributed.workers, self.progress.say)
        except (OSError, RuntimeError) as error:
            # Workers only make it faster.
            self.progress.say(f"the training goes on without workers: {error}")
            yield ALONE
            return
        with several as crew:
            yield crew

    def _train_with(self, crew: Crew, run: TrainingRun) -> TrainingOutcome:
        task = self.task
        with self.progress.stage("read"):
            files = self._files(run)
            rows = prepare_rows(files, task.dataset, task.training.holdout_fraction, self.progress)
        production = Production.of(self.registry, task, self.progress)
        new_rows = production.count_new(rows.identity)
        if task.needs_new_rows and new_rows == 0:
            message = (
                f"each of the {len(rows.identity)} rows at {task.dataset.uri} was seen by version "
                f"{task.production_version}: add listings to it"
                + (", or send true prices to /feedback" if task.log_uri else "")
            )
            self._end(run, "NoNewData", message)
            return self._outcome("NoNewData", message)
        with tempfile.TemporaryDirectory() as temporary:
            version = self._train_rows(
                run,
                rows,
                files=files,
                production=production,
                new_rows=new_rows,
                folder=Path(temporary),
                crew=crew,
            )
        return self._outcome("Registered", self.progress.messages[-1], version)

    def _registered_before(self, version: RegisteredVersion) -> TrainingOutcome:
        model, run_id = self.task.model_name, version.run_id
        content = patiently(
            lambda: self.registry.download_bundle_file(model, version.number, parts.SUMMARY_FILE)
        )
        summary = Summary.model_validate_json(content)
        self.dataset_fingerprint = summary.dataset_fingerprint
        message = in_a_sentence(version.number, summary)
        if run_id is not None:
            found = patiently(lambda: self.registry.run(run_id))
            if found.status != "FINISHED":  # killed between registering and its end
                self.progress.say(f"an earlier attempt has registered version {version.number}")
                self._end(TrainingRun(self.registry, found), "Registered", message)
        return self._outcome("Registered", message, version)

    def fail(self, outcome: Outcome, message: str) -> TrainingOutcome:
        """The outcome of a training that went wrong; the run says so too, where MLflow answers."""
        if self.run is not None:
            try:
                self.run.log(tags={"outcome": outcome, "message": message[:MESSAGE_LIMIT]})
                self.run.end(failed=True)
            except RegistryError as error:
                logger.warning("the run could not be closed: %s", error)
        return self._outcome(outcome, message)

    def _train_rows(
        self,
        run: TrainingRun,
        rows: Rows,
        *,
        files: list[DataFile],
        production: Production,
        new_rows: int,
        folder: Path,
        crew: Crew,
    ) -> RegisteredVersion:
        task, spec, progress = self.task, self.task.training, self.progress
        with progress.stage("encode"):
            kept = production.kept_boundaries(task.dataset.target, progress)
            prepared = prepare(
                rows,
                task.dataset,
                model_name=task.model_name,
                kept_boundaries=kept,
                progress=progress,
            )
        self._pin(run, files)
        warnings = self._warnings(prepared)
        learning = ResumableLearning(run, prepared, spec, progress, crew)
        with progress.stage("select"):
            recipe = learning.choose_recipe()
        if spec.search is not None:
            with progress.stage("search"):
                recipe = learning.search_settings(recipe)
        with progress.stage("grow"):
            model, resumed = learning.fit(recipe)
        bundle = folder / Path(BUNDLE_PATH).name
        bundle.mkdir()
        with progress.stage("evaluate"):
            calibration = calibration_of(recipe)
            graph = write_graph(prepared, model, calibration, bundle)
            evaluated = evaluate(prepared, model, calibration, graph, spec)
            golden = golden_rows(graph, prepared.schema, rows.listings.take(rows.holdout))
            comparison = production.compare(
                rows.listings.take(rows.holdout),
                rows.prices[rows.holdout],
                evaluated.answers,
                boundaries=prepared.schema.boundaries,
                folder=folder,
                progress=progress,
            )
        parts.write_part(bundle, parts.SCHEMA_FILE, prepared.schema)
        parts.write_part(bundle, parts.REFERENCE_FILE, evaluated.reference)
        parts.write_part(bundle, parts.GOLDEN_FILE, golden)
        summary = Summary(
            model_name=task.model_name,
            key=task.key,
            run_id=run.run_id,
            trigger=task.trigger,
            scores=evaluated.scores,
            baseline_name=BASELINE_NAME,
            baseline=evaluated.baseline,
            comparison=comparison,
            rows=len(rows.identity),
            new_rows=new_rows,
            feedback_rows=rows.feedback,
            holdout_rows=int(rows.holdout.sum()),
            dataset_uri=task.dataset.uri,
            dataset_fingerprint=fingerprint(files),
            dataset_digest=rows_digest(rows.identity),
            bundle_bytes=sum(file.stat().st_size for file in bundle.iterdir()),
            training_seconds=round(progress.total_seconds, 1),
            resumed_from_trees=resumed,
            trained_at=format_time(datetime.now(UTC)),
            trained_with=environment(),
            recipe=recipe,
            intervals=evaluated.intervals,
            baseline_intervals=evaluated.baseline_intervals,
            warnings=warnings,
        )
        parts.write_part(bundle, parts.SUMMARY_FILE, summary)
        with progress.stage("register"):
            # MLflow's library takes seconds and 130 MB, which no fit need wait for or have beside it.
            from housing_training.registration.version import (  # noqa: PLC0415 - see above
                register,
                write_model,
            )

            importance = permutation_importance(
                graph,
                prepared.holdout,
                prepared.schema.columns,
                classes=len(prepared.schema.classes),
                seed=spec.seed,
            )
            self._log(
                run,
                prepared,
                evaluated,
                model,
                summary=summary,
                importance=importance,
                rows=rows,
                files=files,
                folder=folder,
            )
            card = model_card(summary, prepared.schema, task.dataset, spec, importance=importance)
            run.upload(CARD_FILE, card.encode())
            write_model(bundle, prepared.schema, golden, folder / "model")
            version = register(
                self.registry,
                run,
                folder / "model",
                model=task.model_name,
                key=task.key,
                tags={"trigger": task.trigger, "macro_f1": f"{summary.scores.macro_f1:.4f}"},
                description=description(card, warnings),
            )
        self._end(run, "Registered", in_a_sentence(version.number, summary))
        return version

    def _files(self, run: TrainingRun) -> list[DataFile]:
        """The files that an earlier attempt pinned, or those that are there now."""
        if FILES_ARTIFACT in run.names() and not self._asked_again(run):
            files = [DataFile(**entry) for entry in json.loads(run.download(FILES_ARTIFACT))]
            self.progress.say(f"reading the {len(files)} files that an earlier attempt pinned")
        else:
            files = list_dataset(self.task.dataset, self.task.log_uri, self.task.model_name)
        self.dataset_fingerprint = fingerprint(files)
        return files

    def _asked_again(self, run: TrainingRun) -> bool:
        """Whether a person lets a failed training go on: what failed may have been its files.

        Where they are the same, so are the digests of the checkpoints, and these count.
        """
        return self.task.trigger == "Request" and run.run.tags.get("token") != self.task.token

    def _pin(self, run: TrainingRun, files: list[DataFile]) -> None:
        """Hold later attempts to these files, so that they go on with the same training.

        Only data that can be trained on is pinned: after NoNewData the same training may come
        back for what was added since.
        """
        content = json.dumps([asdict(file) for file in files], ensure_ascii=False, indent=1)
        run.upload(FILES_ARTIFACT, content.encode())
        run.log(tags={"trigger": self.task.trigger, "token": self.task.token})

    def _warnings(self, prepared: Prepared) -> list[str]:
        """What a person should look at before trusting the scores."""
        found = leaking_columns(
            prepared.training, len(prepared.schema.classes), self.task.training.seed
        )
        warnings = [leakage_warning(name, why) for name, why in found.items()]
        for warning in warnings:
            self.progress.messages.append(warning)
            logger.warning(warning)
        return warnings

    def _log(
        self,
        run: TrainingRun,
        prepared: Prepared,
        evaluated: Evaluated,
        model: Model,
        *,
        summary: Summary,
        importance: Sequence[tuple[str, float, float]],
        rows: Rows,
        files: list[DataFile],
        folder: Path,
    ) -> None:
        """Everything about the version that a person looks for in MLflow."""
        task = self.task
        seen = io.BytesIO()
        np.save(seen, np.sort(rows.identity), allow_pickle=False)
        run.upload(ROWS_ARTIFACT, seen.getvalue())
        run.upload(LEARNED_ARTIFACT, LearnedRows.of(rows, task.dataset).to_bytes())
        figures = folder / EVALUATION_FOLDER
        figures.mkdir()
        for name, content in evaluation_files(
            prepared,
            evaluated,
            model,
            summary=summary,
            importance=importance,
            seed=task.training.seed,
        ).items():
            (figures / name).write_text(content, "utf-8")
        run.upload_folder(figures, EVALUATION_FOLDER)
        run.upload("schema.json", prepared.schema.model_dump_json(indent=1).encode())
        made_with = parameters(task.dataset, task.training, prepared.crosses, summary, model)
        for message in run.log_parameters(made_with):
            self.progress.say(message)
        run.log(
            tags=tags(prepared.crosses, summary),
            metrics=metrics(summary, prepared.schema.classes)
            | {f"{name}_seconds": seconds for name, seconds in self.progress.seconds.items()}
            | {
                "rows": summary.rows,
                "new_rows": summary.new_rows,
                "feedback_rows": summary.feedback_rows,
                "holdout_rows": summary.holdout_rows,
                "bundle_bytes": summary.bundle_bytes,
            },
        )
        listings, _ = split_listing(files)
        run.log_dataset(task.dataset.uri, summary.dataset_digest, len(listings), summary.rows)

    def _end(self, run: TrainingRun, outcome: Outcome, message: str) -> None:
        self.progress.messages.append(message)
        run.upload(MESSAGES_ARTIFACT, "\n".join(self.progress.messages).encode())
        run.log(tags={"outcome": outcome, "message": message[:MESSAGE_LIMIT]})
        run.end()

    def _outcome(
        self, outcome: Outcome, message: str, version: RegisteredVersion | None = None
    ) -> TrainingOutcome:
        return TrainingOutcome(
            outcome=outcome,
            version=version.number if version else None,
            run_id=(version.run_id if version else None) or self.run_id,
            dataset_fingerprint=self.dataset_fingerprint,
            message=message,
        )
