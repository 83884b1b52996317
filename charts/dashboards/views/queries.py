"""What the queries and links of several views have in common."""

OF = 'namespace=~"$namespace", model=~"$model"'
"""Selects the models that the variables name."""

MODEL = "{{namespace}}/{{model}}"
RUN = "${mlflow}/#/runs/${__data.fields.Run}"
REGISTERED = "${mlflow}/#/models/${__data.fields.Namespace}.${__data.fields.Model}"


def rate(metric: str, *matchers: str, by: str = "namespace, model") -> str:
    """The rate of a counter of serving, summed over pods."""
    selector = ", ".join([OF, *matchers])
    return f"sum by ({by}) (rate({metric}{{{selector}}}[$__rate_interval]))"


def quantile(share: float) -> str:
    """A quantile of the time that requests take, over all pods of a track."""
    buckets = rate(
        "housing_request_duration_seconds_bucket",
        'route!~"explain|feedback"',
        by="namespace, model, track, le",
    )
    return f"histogram_quantile({share}, {buckets})"
