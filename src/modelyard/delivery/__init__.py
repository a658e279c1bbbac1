"""Delivery: endpoints, arms, shares, promotion and rollback, told to runtimes by signed route snapshots."""

from modelyard.delivery.events import EVENTS
from modelyard.delivery.model import (
    DEPLOYMENTS,
    ENDPOINTS,
    FALLBACK_USES,
    ORDERS,
    ROUTES,
    TABLES,
    Endpoint,
    EndpointArm,
    PublishedRoutes,
)
from modelyard.delivery.orders import OrdersTaken, take_in
from modelyard.delivery.service import endpoint_named, handlings, in_production_on, in_use, latest_routes

__all__ = [
    "DEPLOYMENTS",
    "ENDPOINTS",
    "EVENTS",
    "FALLBACK_USES",
    "ORDERS",
    "ROUTES",
    "TABLES",
    "Endpoint",
    "EndpointArm",
    "OrdersTaken",
    "PublishedRoutes",
    "endpoint_named",
    "handlings",
    "in_production_on",
    "in_use",
    "latest_routes",
    "take_in",
]
