"""A world that a plan is carried out in: plain values only, so that a story is told in a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from housing_core.api.spec import HousingModelSpec
from housing_core.api.status import (
    ClassBoundary,
    DriftStatus,
    HousingModelStatus,
    ModelInputs,
    TrainingProgress,
)
from housing_core.bundle import Comparison, Interval, ScoreIntervals, Scores, Summary
from housing_core.registry_types import RegisteredVersion
from housing_core.tasks import ServingHealth, TrainingOutcome
from housing_operator.decisions.planner import plan
from housing_operator.observation import (
    JobState,
    Model,
    Observation,
    PodState,
    RegistryState,
    TrackState,
    VersionFacts,
)
from housing_operator.plan import (
    AcceptVersion,
    DeleteJob,
    MoveAlias,
    Plan,
    RejectVersion,
    StartTraining,
)
from housing_operator.resources.means import means

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def summary(macro_f1: float = 0.77, comparison: Comparison | None = None) -> Summary:
    scores = Scores(
        accuracy=0.78,
        macro_f1=macro_f1,
        precision=0.77,
        recall=0.77,
        roc_auc=0.92,
        confusion_matrix=[[1, 0], [0, 1]],
    )
    return Summary(
        model_name="ns.m",
        key="k",
        run_id="r",
        trigger="Spec",
        scores=scores,
        intervals=ScoreIntervals(
            accuracy=Interval(low=0.75, high=0.8),
            macro_f1=Interval(low=0.74, high=0.8),
            precision=Interval(low=0.74, high=0.8),
            recall=Interval(low=0.74, high=0.8),
            roc_auc=Interval(low=0.9, high=0.94),
        ),
        baseline_name="majority",
        baseline=scores,
        comparison=comparison,
        rows=1000,
        new_rows=1000,
        holdout_rows=200,
        dataset_uri="/data",
        dataset_fingerprint="f0",
        bundle_bytes=1,
        training_seconds=1.0,
    )


def comparison(
    champion: str, champion_f1: float | None = 0.77, challenger_f1: float | None = 0.78
) -> Comparison:
    return Comparison(
        champion_version=champion,
        rows=200,
        champion_macro_f1=champion_f1,
        challenger_macro_f1=challenger_f1,
        champion_boundaries=[100.0, 200.0],
    )


@dataclass
class World:
    """Status, Jobs, pods and MLflow after the plans so far; `step` makes and carries out one more."""

    now: datetime = START
    spec: dict[str, Any] = field(
        default_factory=lambda: {"dataset": {"uri": "/data", "target": {"column": "price"}}}
    )
    status: dict[str, Any] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    generation: int = 1
    progress: TrainingProgress | None = None
    jobs: dict[str, JobState] = field(default_factory=dict)
    tasks: dict[str, StartTraining] = field(default_factory=dict)
    versions: dict[str, RegisteredVersion] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    facts: dict[str, VersionFacts] = field(default_factory=dict)
    production: TrackState = field(default_factory=TrackState)
    staging: TrackState = field(default_factory=TrackState)
    mlflow: bool = True
    actions_succeed: bool = True
    schedule_due: datetime | None = None
    latency: float = 0.004
    broken: set[str] = field(default_factory=set)
    paused: bool = False
    events: list[str] = field(default_factory=list)
    last: Plan | None = None

    def step(self, after: timedelta = timedelta(seconds=5)) -> Plan:
        """Let time pass, plan once, and carry it out."""
        self.now += after
        made = plan(self.observation(), self.now)
        drift = self.status.get("drift")
        self.status = made.status.to_json() | ({"drift": drift} if drift else {})
        if self.actions_succeed:
            for action in made.actions:
                self._do(action)
        self.production = self._roll(self.production, made.production.version)
        self.staging = self._roll(self.staging, made.staging.version)
        self.events += [event.reason for event in made.events]
        self.last = made
        return made

    def settle(self, passes: int = 12) -> Plan:
        """Step until nothing is asked for any more."""
        for _ in range(passes):
            before = self.status
            made = self.step()
            if not made.actions and self.status == before:
                return made
        raise AssertionError(f"no rest after {passes} passes: {self.status}")

    def observation(self) -> Observation:
        return Observation(
            model=Model(
                namespace="ns",
                name="m",
                uid="uid",
                generation=self.generation,
                resource_version="1",
                annotations=self.annotations,
                spec=self.spec,
                status=self.status,
            ),
            jobs=dict(self.jobs),
            production=self.production,
            staging=self.staging,
            registry=(
                RegistryState(
                    tuple(self.versions.values()),
                    dict(self.aliases),
                    dict(self.facts),
                    self.progress,
                )
                if self.mlflow
                else None
            ),
            registry_error="" if self.mlflow else "connection refused",
            schedule_due=self.schedule_due,
        )

    def train(self, macro_f1: float = 0.77, compared: Comparison | None = None) -> str:
        """The Job under way ends and has registered a version."""
        number = str(len(self.versions) + 1)
        key = self.status["training"]["key"]
        self.add_version(number, key, macro_f1, compared)
        self.end_job(TrainingOutcome(outcome="Registered", version=number))
        return number

    def add_version(
        self,
        number: str,
        key: str | None = None,
        macro_f1: float = 0.77,
        compared: Comparison | None = None,
    ) -> None:
        self.versions[number] = RegisteredVersion(number, "run", key, None, self.now)
        boundaries = [
            ClassBoundary(below="Low", price=100.0, above="Medium"),
            ClassBoundary(below="Medium", price=200.0, above="High"),
        ]
        self.facts[number] = VersionFacts(
            summary(macro_f1, compared), ModelInputs(version=number, boundaries=boundaries)
        )

    def end_job(self, outcome: TrainingOutcome | None, *, succeeded: bool = True) -> None:
        name = self.status["training"]["jobName"]
        self.jobs[name] = replace(
            self.jobs[name], finished=True, succeeded=succeeded, outcome=outcome
        )

    def in_production(self) -> World:
        """A first version is trained and has gone all the way."""
        self.step()
        self.train()
        self.settle()
        assert self.status["production"]["version"] == "1"
        return self

    def report(self, report_id: str, verdict: str = "Drift", **fields: Any) -> None:
        """The monitor writes its report."""
        self.status["drift"] = DriftStatus.model_validate(
            {
                "reportId": report_id,
                "modelVersion": self.status["production"]["version"],
                "time": "2026-11-23T12:00:00Z",
                "verdict": verdict,
                "datasetFingerprint": "f0",
                **fields,
            }
        ).to_json()

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(c for c in self.status["conditions"] if c["type"] == kind)
        return found["status"], found["reason"]

    def message(self, kind: str) -> str:
        return next(str(c["message"]) for c in self.status["conditions"] if c["type"] == kind)

    def parsed(self) -> HousingModelStatus:
        return HousingModelStatus.model_validate(self.status)

    def _do(self, action: object) -> None:
        match action:
            case StartTraining(job_name=name):
                made_by = means(HousingModelSpec.model_validate(self.spec))
                self.jobs.setdefault(name, JobState(name, means=made_by))
                self.tasks[name] = action
            case DeleteJob(job_name=name):
                self.jobs.pop(name, None)
            case MoveAlias(alias=alias, version=None):
                self.aliases.pop(alias, None)
            case MoveAlias(alias=alias, version=version):
                self.aliases[alias] = str(version)
            case RejectVersion(version=number, reason=reason):
                if number in self.versions:
                    self.versions[number] = replace(self.versions[number], rejected=reason)
            case AcceptVersion(version=number):
                self.versions[number] = replace(self.versions[number], rejected=None)

    def _roll(self, track: TrackState, version: str | None) -> TrackState:
        """Pods come up at once, unless the version is broken: then the old pod stays."""
        if version is None:
            return TrackState()
        if self.paused:
            return replace(track, paused=True, message="the Deployment is paused")
        old = [p for p in track.pods if p.health and p.health.version not in (None, version)]
        healthy = version not in self.broken
        new = PodState(
            f"pod-{version}",
            version,
            ready=healthy,
            health=ServingHealth(
                status="ok" if healthy else "unavailable",
                model_name="ns.m",
                track="production",
                pinned_version=version,
                version=version if healthy else None,
                serving_from="Production" if healthy else "None",
                golden_rows=5 if healthy else 0,
                latency_p95_seconds=self.latency,
                message="" if healthy else "golden row 3 differs",
            ),
        )
        pods = (new,) if healthy else (*old, new)
        return TrackState(version, replicas=1, rolled_out=healthy, pods=pods)
