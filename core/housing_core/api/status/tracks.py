"""`status.production` and `status.staging`, and a version's way there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from housing_core.api.base import StatusType, Timestamp
from housing_core.api.status.bounds import Text, Version


class TrackStatus(StatusType):
    """The version that a track serves, and how good it was on the holdout of its training."""

    version: Version = Field(description="Version of the registered model that is pinned.")
    run_id: Text | None = Field(default=None, description="The MLflow run that trained it.")
    url: Text | None = Field(default=None, description="Where it answers inside the cluster.")
    since: Timestamp | None = Field(default=None, description="Since when it is pinned.")
    registered_at: Timestamp | None = Field(
        default=None, description="When its training registered it."
    )
    ready_replicas: int = Field(default=0, description="Pods that answer with this version.")
    serving_from: Text | None = Field(
        default=None,
        description="The link of the fallback chain that answers, or answered last: Production, "
        "Staging or LocalCopy; the furthest one where pods differ.",
    )
    macro_f1: float | None = Field(default=None, description="Macro F1 on the holdout.")
    macro_f1_lower: float | None = Field(
        default=None, description="Lower end of the 95 % interval of macroF1."
    )
    macro_f1_upper: float | None = Field(default=None, description="Upper end of it.")
    accuracy: float | None = Field(default=None, description="Accuracy on the holdout.")
    accuracy_lower: float | None = Field(
        default=None, description="Lower end of the 95 % interval of accuracy."
    )
    accuracy_upper: float | None = Field(default=None, description="Upper end of it.")
    roc_auc: float | None = Field(
        default=None, description="One-versus-rest macro ROC-AUC on the holdout."
    )
    roc_auc_lower: float | None = Field(
        default=None, description="Lower end of the 95 % interval of rocAuc."
    )
    roc_auc_upper: float | None = Field(default=None, description="Upper end of it.")


class Candidate(StatusType):
    """A version on its way to production."""

    version: Version = Field(description="The version.")
    step: Literal["Gates", "Staging", "Approval", "Production"] = Field(
        description="The step that it has reached."
    )
    since: Timestamp = Field(description="When it reached this step.")
    by_person: bool = Field(
        default=False, description="A person moved an alias to it: the offline gates do not apply."
    )
    previous_production: Version | None = Field(
        default=None, description="What production goes back to when it fails."
    )
    previous_staging: Version | None = Field(
        default=None, description="What staging goes back to when it fails."
    )


class AliasIntent(StatusType):
    """An alias move in MLflow that the operator is about to make."""

    alias: Literal["production", "staging"] = Field(description="The alias.")
    version: Version | None = Field(default=None, description="Where it goes; absent to remove it.")


class Aliases(StatusType):
    """The aliases as the operator last left or obeyed them."""

    production: Version | None = Field(default=None, description="Version of alias production.")
    staging: Version | None = Field(default=None, description="Version of alias staging.")
    intent: list[AliasIntent] = Field(
        default_factory=list, max_length=2, description="Moves that may be half done."
    )


class RejectedVersion(StatusType):
    """A version that failed a gate or a rollout, and is not tried again."""

    version: Version = Field(description="The version.")
    reason: Text = Field(description="Which gate, with the value that it showed.")
    time: Timestamp = Field(description="When.")
