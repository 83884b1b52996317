"""The plan while it is being made: the pure steps read and write this one value."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from housing_core.api.spec import HousingModelSpec
from housing_core.api.status import (
    HISTORY_LIMIT,
    TEXT_LIMIT,
    AliasIntent,
    HistoryEntry,
    HousingModelStatus,
    RejectedVersion,
    Trigger,
)
from housing_core.times import format_time
from housing_operator.observation import Observation
from housing_operator.plan import Action, Event, MoveAlias

RESYNC = timedelta(seconds=30)
"""How often MLflow is looked at without a cause: a person's alias move is obeyed within a minute."""


@dataclass(slots=True)
class Draft:
    """Status, actions and events so far.

    Attributes:
        status: as the operator last wrote it, changed step by step; its `drift` is the monitor's
            newest report, and is read only.
        deadlines: dates at which something is due.
    """

    observation: Observation
    spec: HousingModelSpec
    status: HousingModelStatus
    now: datetime
    actions: list[Action] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    deadlines: list[datetime] = field(default_factory=list)

    @property
    def production_version(self) -> str | None:
        """The version whose rollout to production has finished."""
        return self.status.production.version if self.status.production else None

    def update(self, **changes: Any) -> None:
        """Change fields of the status."""
        self.status = self.status.model_copy(update=changes)

    def update_retraining(self, **changes: Any) -> None:
        """Change fields of `status.retraining`."""
        self.update(retraining=self.status.retraining.model_copy(update=changes))

    def normal(self, reason: str, message: str) -> None:
        """Tell a person what happened."""
        self.events.append(Event("Normal", reason, message))

    def warn(self, reason: str, message: str) -> None:
        """Tell a person what went wrong."""
        self.events.append(Event("Warning", reason, message))

    def remember(
        self,
        event: str,
        version: str | None = None,
        message: str = "",
        trigger: Trigger | None = None,
    ) -> None:
        """Add to `status.history`, newest first."""
        entry = HistoryEntry(
            time=format_time(self.now),
            version=version,
            event=event,
            trigger=trigger,
            message=message[:TEXT_LIMIT],
            macro_f1=self.macro_f1(version),
        )
        self.update(history=[entry, *self.status.history][:HISTORY_LIMIT])

    def macro_f1(self, version: str | None) -> float | None:
        """Macro F1 of a version on its holdout, where that is known."""
        registry = self.observation.registry
        facts = registry.facts.get(version or "") if registry else None
        return facts.summary.scores.macro_f1 if facts and facts.summary else None

    def is_rejected(self, version: str) -> bool:
        """Whether a version failed before, by status or by its tag in MLflow."""
        registry = self.observation.registry
        found = registry.version(version) if registry else None
        return any(entry.version == version for entry in self.status.rejected_versions) or bool(
            found and found.rejected
        )

    def reject(self, version: str, reason: str) -> None:
        """Never serve this version again; `promotion.tag_rejections` tells MLflow."""
        entry = RejectedVersion(
            version=version, reason=reason[:TEXT_LIMIT], time=format_time(self.now)
        )
        others = [e for e in self.status.rejected_versions if e.version != version]
        self.update(rejected_versions=[entry, *others][:HISTORY_LIMIT])
        self.remember("Rejected", version, reason)
        self.warn("VersionRejected", f"version {version} is rejected: {reason}")

    def move_alias(self, alias: str, version: str | None) -> None:
        """Intend an alias move in status, then make it; nothing when it points there already."""
        aliases = self.status.aliases
        others = [intent for intent in aliases.intent if intent.alias != alias]
        registry = self.observation.registry
        if registry and registry.aliases.get(alias) == version:
            self.update(aliases=aliases.model_copy(update={alias: version, "intent": others}))
            return
        intent = AliasIntent.model_validate({"alias": alias, "version": version})
        self.update(aliases=aliases.model_copy(update={"intent": [*others, intent]}))
        self.actions.append(MoveAlias(intent.alias, version))
