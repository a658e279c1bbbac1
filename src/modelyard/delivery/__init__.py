"""Delivery: endpoints, arms, shares, promotion and rollback, told to runtimes by signed route snapshots."""

from modelyard.delivery.events import EVENTS
from modelyard.delivery.model import DEPLOYMENTS, ENDPOINTS, ROUTES, TABLES, Endpoint, EndpointArm, PublishedRoutes
from modelyard.delivery.service import endpoint_named, handlings, in_production_on, in_use, latest_routes

__all__ = [
    "DEPLOYMENTS",
    "ENDPOINTS",
    "EVENTS",
    "ROUTES",
    "TABLES",
    "Endpoint",
    "EndpointArm",
    "PublishedRoutes",
    "endpoint_named",
    "handlings",
    "in_production_on",
    "in_use",
    "latest_routes",
]
