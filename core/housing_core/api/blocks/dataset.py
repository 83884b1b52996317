"""`spec.dataset`: the listings, where they are and what their columns mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from housing_core.api.base import ApiType, list_map, rule, rules
from housing_core.api.pods import SecretReference

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
ColumnKind = Literal["Numeric", "Categorical", "HighCardinality", "Ignored"]


class Target(ApiType):
    """What is predicted: the price, cut into classes at percentiles (seed 4.3)."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "self.classes.size() == self.quantiles.size() + 1",
                "classes must name one class more than there are quantiles: "
                "two quantiles make three classes",
            ),
        )
    }

    column: ColumnName = Field(description="The column that holds the price.")
    quantiles: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.4, 0.8],
        min_length=1,
        max_length=9,
        description="Where the training prices are cut into classes, as rising shares of the rows.",
        json_schema_extra=rules(
            rule(
                "self.isSorted() && self.all(q, self.exists_one(p, p == q))",
                "quantiles must rise strictly, for example [0.4, 0.8]",
            )
        ),
    )
    classes: list[Annotated[str, Field(min_length=1, max_length=63)]] = Field(
        default=["Low", "Medium", "High"],
        min_length=2,
        max_length=10,
        description="Names of the classes, from the lowest prices to the highest.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    boundaries: Literal["Recompute", "Keep"] = Field(
        default="Recompute",
        description="Recompute the class boundaries from the data of each training, "
        "or Keep those of the version in production.",
    )


class Column(ApiType):
    """One column whose kind you set instead of leaving it to inference."""

    name: ColumnName = Field(description="Name of the column in the data.")
    kind: ColumnKind = Field(
        description="Numeric; Categorical (one input per category); HighCardinality (hashed); "
        "or Ignored (not an input)."
    )


class Cross(ApiType):
    """Columns whose combined value becomes one hashed input (seed 4.2)."""

    name: ColumnName = Field(description="Name of the cross, for example district_heating.")
    columns: list[ColumnName] = Field(
        min_length=2,
        max_length=4,
        description="The columns that are combined.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Split(ApiType):
    """By which column the rows are parted into those learned from and the holdout."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "has(self.groupColumn) != has(self.timeColumn)",
                "split takes either groupColumn or timeColumn; leave split out to part single rows",
            ),
        )
    }

    group_column: ColumnName | None = Field(
        default=None,
        description="Rows with the same value in this column, for example a building or a seller, "
        "stay on one side, for ever.",
    )
    time_column: ColumnName | None = Field(
        default=None,
        description="The newest rows by this column of dates or rising numbers are the holdout.",
    )


class DatasetCredentials(ApiType):
    """How the dataset is reached."""

    secret_ref: SecretReference = Field(
        description="A Secret whose keys become environment variables, "
        "for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )


class Dataset(ApiType):
    """The listings: where they are, and what their columns mean."""

    model_config = {
        "json_schema_extra": rules(
            rule(
                "!has(self.crosses) || !self.crosses.exists(c, self.target.column in c.columns)",
                "crosses must not contain the target column: it is what is predicted",
            ),
            rule(
                "!has(self.split) || ((!has(self.split.groupColumn) || "
                "self.split.groupColumn != self.target.column) && (!has(self.split.timeColumn) || "
                "self.split.timeColumn != self.target.column))",
                "split must not name the target column: rows would be parted by their price",
            ),
            rule(
                "!has(self.columns) || !self.columns.exists(c, c.name == self.target.column)",
                "columns must not contain the target column: it is what is predicted",
            ),
        )
    }

    uri: str = Field(
        min_length=2,
        max_length=2048,
        pattern=r"^(pvc://[a-z0-9]|s3://[a-z0-9]|https://[^/]|/)",
        description="A file, a folder or a glob of CSV or Parquet files: pvc://claim/path, "
        "s3://bucket/key, https://host/path, or an absolute path in the training container. "
        "A folder may grow: retraining reads what is there then.",
    )
    format: Literal["Auto", "CSV", "Parquet"] = Field(
        default="Auto", description="Format of the files; Auto looks at each file's content."
    )
    target: Target = Field(description="What is predicted.")
    columns: list[Column] = Field(
        default_factory=list,
        max_length=256,
        description="Columns whose kind you set; the kind of every other column is inferred.",
        json_schema_extra=list_map("name"),
    )
    crosses: list[Cross] | None = Field(
        default=None,
        max_length=16,
        description="Feature crosses; inferred when left out, none when empty.",
        json_schema_extra=list_map("name"),
    )
    split: Split | None = Field(
        default=None,
        description="How rows are parted into those learned from and the holdout; by a hash of "
        "each row when left out.",
    )
    feedback: Literal["Ignore", "Join"] = Field(
        default="Ignore",
        description="Join adds the predictions whose true price came to POST /feedback as listings "
        "with that price, as long as the prediction log keeps them. Needs "
        "serving.feedback.tokenSecretRef.",
    )
    credentials: DatasetCredentials | None = Field(
        default=None, description="How the dataset is reached, where that needs a secret."
    )
