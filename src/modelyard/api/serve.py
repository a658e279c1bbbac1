"""The application as a server finds it: `modelyard.api.serve:app`, made from the environment's settings when imported."""

from __future__ import annotations

from modelyard.api.app import create_app
from modelyard.bootstrap import Settings, build
from modelyard.core.logs import configure_logs

configure_logs()
app = create_app(build(Settings.from_environment()))
