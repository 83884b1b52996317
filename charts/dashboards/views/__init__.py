"""The five views of seed 5.4, each in a file of its own."""

from charts.dashboards.views.alerts import alerts
from charts.dashboards.views.drift import drift
from charts.dashboards.views.features import features
from charts.dashboards.views.overview import overview
from charts.dashboards.views.performance import performance

VIEWS = (overview, drift, features, performance, alerts)
