"""The usual Kubernetes plumbing that every block which makes pods takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from housing_core.api.base import ApiType, list_map, rule, rules

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]
Quantity = Annotated[
    str | int,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "pattern": r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
            "maxLength": 20,
        }
    ),
]


class SecretReference(ApiType):
    """A Secret in the namespace of the HousingModel."""

    name: ObjectName = Field(description="Name of the Secret.")


class SecretKeyReference(ApiType):
    """One key of a Secret in the namespace of the HousingModel."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: Annotated[str, Field(max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = Field(
        default="token", description="Key in it."
    )


class KeySelector(ApiType):
    """One key of a Secret or ConfigMap in the namespace of the HousingModel."""

    name: ObjectName = Field(description="Name of the Secret or ConfigMap.")
    key: str = Field(min_length=1, max_length=253, description="Key in it.")
    optional: bool = Field(default=False, description="Start even when the key is not there.")


class EnvironmentSource(ApiType):
    """Where the value of an environment variable comes from."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "has(self.secretKeyRef) != has(self.configMapKeyRef)",
                "give exactly one of secretKeyRef and configMapKeyRef",
            )
        )
    }

    secret_key_ref: KeySelector | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: KeySelector | None = Field(
        default=None, description="A key of a ConfigMap."
    )


class EnvironmentVariable(ApiType):
    """An environment variable of the container, as in a pod."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "has(self.value) != has(self.valueFrom)", "give exactly one of value and valueFrom"
            ),
            rule(
                "!self.name.startsWith('HOUSING_')",
                "names that start with HOUSING_ are the operator's own",
            ),
        )
    }

    name: str = Field(
        min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Its name."
    )
    value: str | None = Field(default=None, max_length=4096, description="Its value.")
    value_from: EnvironmentSource | None = Field(
        default=None, description="A Secret's or ConfigMap's key that holds the value."
    )


class Toleration(ApiType):
    """A taint that the pods tolerate, as in a pod."""

    key: str | None = Field(default=None, max_length=316, description="The taint's key.")
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="How key and value are compared."
    )
    value: str | None = Field(default=None, max_length=63, description="The taint's value.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="The taint's effect; all effects when left out."
    )
    toleration_seconds: int | None = Field(
        default=None, ge=0, description="How long a NoExecute taint is tolerated, in seconds."
    )


class Resources(ApiType):
    """Compute resources of the container, as in a pod."""

    requests: dict[Annotated[str, Field(max_length=63)], Quantity] = Field(
        default_factory=dict, max_length=10, description="What is reserved, for example cpu: 500m."
    )
    limits: dict[Annotated[str, Field(max_length=63)], Quantity] = Field(
        default_factory=dict, max_length=10, description="What is allowed at most."
    )


class PodSettings(ApiType):
    """What every block that makes pods takes."""

    resources: Resources | None = Field(
        default=None,
        description="Compute resources; the operator's defaults for this program when left out.",
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="A ServiceAccount of yours, for example one with an IAM role; "
        "the operator makes one without rights when left out.",
    )
    annotations: dict[
        Annotated[str, Field(max_length=316)], Annotated[str, Field(max_length=4096)]
    ] = Field(default_factory=dict, max_length=32, description="Annotations of the pods.")
    node_selector: dict[
        Annotated[str, Field(max_length=316)], Annotated[str, Field(max_length=63)]
    ] = Field(default_factory=dict, max_length=32, description="Labels that the node must have.")
    tolerations: list[Toleration] = Field(
        default_factory=list, max_length=32, description="Taints that the pods tolerate."
    )
    image_pull_secrets: list[SecretReference] = Field(
        default_factory=list, max_length=8, description="Secrets to pull the images with."
    )
    env: list[EnvironmentVariable] = Field(
        default_factory=list,
        max_length=64,
        description="Further environment variables of the container.",
        json_schema_extra=list_map("name"),
    )

    def pod_settings(self) -> dict[str, Any]:
        """The plumbing alone, as JSON, without the block's own fields."""
        return self.model_dump(
            by_alias=True, exclude_none=True, include=set(PodSettings.model_fields), mode="json"
        )
