--
-- PostgreSQL database dump
--


-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.4

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: modelyard_append_only(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.modelyard_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION USING MESSAGE = 'append-only: ' || TG_TABLE_NAME; END $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: alerts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alerts (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    monitor_id text NOT NULL COLLATE pg_catalog."C",
    monitor text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    measure text NOT NULL COLLATE pg_catalog."C",
    field text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    live boolean NOT NULL,
    severity text NOT NULL COLLATE pg_catalog."C",
    version text COLLATE pg_catalog."C",
    arm text COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    first_seen bigint NOT NULL,
    last_seen bigint NOT NULL,
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: annotations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.annotations (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    version_id text NOT NULL COLLATE pg_catalog."C",
    field text NOT NULL COLLATE pg_catalog."C",
    by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: approval_decisions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.approval_decisions (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    approval text NOT NULL COLLATE pg_catalog."C",
    approver text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: approvals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.approvals (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    subject_id text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    requester text NOT NULL COLLATE pg_catalog."C",
    tier text NOT NULL COLLATE pg_catalog."C",
    expires_at bigint NOT NULL,
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: audit; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    actor text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    outcome text NOT NULL COLLATE pg_catalog."C",
    subject_type text NOT NULL COLLATE pg_catalog."C",
    subject_id text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: audit_head; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_head (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: audit_leaves; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_leaves (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    "position" bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: audit_pending; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.audit_pending (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: backfills; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.backfills (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    source text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    content text NOT NULL COLLATE pg_catalog."C",
    by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: decision_exports; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.decision_exports (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    by text NOT NULL COLLATE pg_catalog."C",
    endpoint text COLLATE pg_catalog."C",
    use_case text COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: deployments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.deployments (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    endpoint text NOT NULL COLLATE pg_catalog."C",
    action text NOT NULL COLLATE pg_catalog."C",
    epoch bigint NOT NULL,
    actor text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: disclosures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.disclosures (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: endpoints; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.endpoints (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    stage text NOT NULL COLLATE pg_catalog."C",
    tier text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: erasures; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.erasures (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    requested_by text NOT NULL COLLATE pg_catalog."C",
    subject_digest text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.events (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    aggregate_type text NOT NULL COLLATE pg_catalog."C",
    aggregate_id text NOT NULL COLLATE pg_catalog."C",
    actor text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: evidence; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.evidence (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    manifest text NOT NULL COLLATE pg_catalog."C",
    produced_by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: fallback_uses; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.fallback_uses (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    endpoint text NOT NULL COLLATE pg_catalog."C",
    arm text NOT NULL COLLATE pg_catalog."C",
    answered_by text NOT NULL COLLATE pg_catalog."C",
    cause text NOT NULL COLLATE pg_catalog."C",
    runtime text NOT NULL COLLATE pg_catalog."C",
    since bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: gates; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.gates (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    to_stage text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: idempotency; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotency (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: identities; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.identities (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    active boolean NOT NULL,
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: inbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbox (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    consumer text NOT NULL COLLATE pg_catalog."C",
    event_id text NOT NULL COLLATE pg_catalog."C",
    event_type text NOT NULL COLLATE pg_catalog."C",
    aggregate text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    not_before bigint NOT NULL,
    lease_until bigint,
    body text NOT NULL
);


--
-- Name: job_artifacts; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.job_artifacts (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    job text NOT NULL COLLATE pg_catalog."C",
    attempt bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    blob text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: job_logs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.job_logs (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: jobs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.jobs (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    rank bigint,
    not_before bigint NOT NULL,
    lease_until bigint,
    worker text COLLATE pg_catalog."C",
    enqueued_by text NOT NULL COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    active_key text COLLATE pg_catalog."C",
    body text NOT NULL,
    lane text COLLATE pg_catalog."C",
    occupies text COLLATE pg_catalog."C",
    resource text COLLATE pg_catalog."C"
);


--
-- Name: leases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.leases (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    until bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: legal_holds; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.legal_holds (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    use_case text COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    matter text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: lineage; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.lineage (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    child text NOT NULL COLLATE pg_catalog."C",
    parent text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: model_numbering; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.model_numbering (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: models; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.models (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    use_case_id text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: monitor_runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.monitor_runs (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    monitor_id text NOT NULL COLLATE pg_catalog."C",
    monitor text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    window_from bigint NOT NULL,
    window_to bigint NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    version text COLLATE pg_catalog."C",
    arm text COLLATE pg_catalog."C",
    restates text COLLATE pg_catalog."C",
    restatement bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: monitors; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.monitors (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    version text COLLATE pg_catalog."C",
    arm text COLLATE pg_catalog."C",
    owner text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: named_subjects; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.named_subjects (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: orders; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.orders (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    payload text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    outcome text NOT NULL COLLATE pg_catalog."C",
    issued_by text NOT NULL COLLATE pg_catalog."C",
    until bigint NOT NULL,
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    type text NOT NULL COLLATE pg_catalog."C",
    aggregate_id text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: outbox_position; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox_position (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: policy_sets; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.policy_sets (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    number bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    text_digest text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: process_definitions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_definitions (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL COLLATE pg_catalog."C",
    bundle text NOT NULL COLLATE pg_catalog."C",
    proposed_by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: process_incidents; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_incidents (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text NOT NULL COLLATE pg_catalog."C",
    process text NOT NULL COLLATE pg_catalog."C",
    element text NOT NULL COLLATE pg_catalog."C",
    cause text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: process_instances; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_instances (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    process text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    definition text NOT NULL COLLATE pg_catalog."C",
    about text COLLATE pg_catalog."C",
    use_case text COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    health text NOT NULL COLLATE pg_catalog."C",
    started_by text NOT NULL COLLATE pg_catalog."C",
    parent text COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: process_messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_messages (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    expires_at bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: process_sources; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_sources (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    digest_of_source text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: process_stays; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_stays (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text NOT NULL COLLATE pg_catalog."C",
    process text NOT NULL COLLATE pg_catalog."C",
    element text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    use_case text COLLATE pg_catalog."C",
    entered_at bigint NOT NULL,
    left_at bigint,
    body text NOT NULL
);


--
-- Name: process_steps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_steps (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    event text NOT NULL COLLATE pg_catalog."C",
    by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: process_subscriptions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_subscriptions (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text COLLATE pg_catalog."C",
    definition text COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    signal boolean NOT NULL,
    body text NOT NULL
);


--
-- Name: process_timers; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_timers (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text COLLATE pg_catalog."C",
    definition text COLLATE pg_catalog."C",
    due bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: process_work; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.process_work (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text NOT NULL COLLATE pg_catalog."C",
    not_before bigint,
    job text COLLATE pg_catalog."C",
    child text COLLATE pg_catalog."C",
    operation text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: releases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.releases (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    version text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    stage text NOT NULL COLLATE pg_catalog."C",
    payload text NOT NULL COLLATE pg_catalog."C",
    approval text NOT NULL COLLATE pg_catalog."C",
    key_id text NOT NULL COLLATE pg_catalog."C",
    until bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: resource_limits; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.resource_limits (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: retention_runs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.retention_runs (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    use_case text COLLATE pg_catalog."C",
    asked_by text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: retentions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.retentions (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    scope text NOT NULL COLLATE pg_catalog."C",
    use_case text COLLATE pg_catalog."C",
    tier text COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: revocations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.revocations (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    payload text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: risk_assessments; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.risk_assessments (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    use_case_id text NOT NULL COLLATE pg_catalog."C",
    use_case text NOT NULL COLLATE pg_catalog."C",
    tier text NOT NULL COLLATE pg_catalog."C",
    assessor text NOT NULL COLLATE pg_catalog."C",
    next_review bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: role_grants; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.role_grants (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    identity text NOT NULL COLLATE pg_catalog."C",
    role text NOT NULL COLLATE pg_catalog."C",
    revoked_at bigint,
    body text NOT NULL
);


--
-- Name: route_snapshots; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.route_snapshots (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    epoch bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: schedules; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schedules (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    next_due bigint,
    kind text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: signing_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.signing_keys (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: task_candidacies; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_candidacies (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    task text NOT NULL COLLATE pg_catalog."C",
    who text NOT NULL COLLATE pg_catalog."C",
    urgency text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: task_decisions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_decisions (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    task text NOT NULL COLLATE pg_catalog."C",
    instance text NOT NULL COLLATE pg_catalog."C",
    process text NOT NULL COLLATE pg_catalog."C",
    step text NOT NULL COLLATE pg_catalog."C",
    sequence bigint NOT NULL,
    approver text NOT NULL COLLATE pg_catalog."C",
    verdict text NOT NULL COLLATE pg_catalog."C",
    subject_id text NOT NULL COLLATE pg_catalog."C",
    approval text COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: task_notes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.task_notes (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    task text NOT NULL COLLATE pg_catalog."C",
    instance text NOT NULL COLLATE pg_catalog."C",
    author text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: tasks; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tasks (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    instance text NOT NULL COLLATE pg_catalog."C",
    process text NOT NULL COLLATE pg_catalog."C",
    element text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    assignee text COLLATE pg_catalog."C",
    priority bigint NOT NULL,
    about text COLLATE pg_catalog."C",
    use_case text COLLATE pg_catalog."C",
    due_at bigint,
    next_at bigint,
    completed_by text COLLATE pg_catalog."C",
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.tokens (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    identity text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    expires_at bigint NOT NULL,
    revoked_at bigint,
    body text NOT NULL
);


--
-- Name: use_cases; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.use_cases (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    tier text COLLATE pg_catalog."C",
    business_owner text NOT NULL COLLATE pg_catalog."C",
    regulatory_class text COLLATE pg_catalog."C",
    review_at bigint,
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: value_entries; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.value_entries (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    use_case text NOT NULL COLLATE pg_catalog."C",
    endpoint text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    period_from bigint NOT NULL,
    period_to bigint NOT NULL,
    currency text NOT NULL COLLATE pg_catalog."C",
    restates text COLLATE pg_catalog."C",
    restatement bigint NOT NULL,
    body text NOT NULL
);


--
-- Name: version_states; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.version_states (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    model_id text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    use_case_id text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    format text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    manifest_digest text NOT NULL COLLATE pg_catalog."C",
    developer text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    stage text NOT NULL COLLATE pg_catalog."C",
    status_since bigint NOT NULL,
    body text NOT NULL,
    words tsvector NOT NULL
);


--
-- Name: version_status_changes; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.version_status_changes (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    version_id text NOT NULL COLLATE pg_catalog."C",
    model_id text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Name: versions; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.versions (
    id text NOT NULL COLLATE pg_catalog."C",
    organisation text NOT NULL COLLATE pg_catalog."C",
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    model_id text NOT NULL COLLATE pg_catalog."C",
    model text NOT NULL COLLATE pg_catalog."C",
    number bigint NOT NULL,
    manifest_digest text NOT NULL COLLATE pg_catalog."C",
    developer text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL
);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES ('0006');


--
-- Data for Name: alerts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: annotations; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: approval_decisions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: approvals; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: audit; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: audit_head; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: audit_leaves; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: audit_pending; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: backfills; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: decision_exports; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: deployments; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: disclosures; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: endpoints; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: erasures; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: events; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: evidence; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: fallback_uses; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: gates; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: idempotency; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: identities; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: inbox; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: job_artifacts; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: job_logs; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: jobs; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: leases; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: legal_holds; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: lineage; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: model_numbering; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: models; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: monitor_runs; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: monitors; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: named_subjects; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: orders; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: outbox; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: outbox_position; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: policy_sets; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_definitions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_incidents; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_instances; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_messages; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_sources; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_stays; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_steps; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_subscriptions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_timers; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: process_work; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: releases; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: resource_limits; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: retention_runs; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: retentions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: revocations; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: risk_assessments; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: role_grants; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: route_snapshots; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: schedules; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: signing_keys; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: task_candidacies; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: task_decisions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: task_notes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: tasks; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: tokens; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: use_cases; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: value_entries; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: version_states; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: version_status_changes; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Data for Name: versions; Type: TABLE DATA; Schema: public; Owner: -
--



--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: alerts alerts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alerts
    ADD CONSTRAINT alerts_pkey PRIMARY KEY (id);


--
-- Name: annotations annotations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.annotations
    ADD CONSTRAINT annotations_pkey PRIMARY KEY (id);


--
-- Name: approval_decisions approval_decisions_one_approval_approver; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.approval_decisions
    ADD CONSTRAINT approval_decisions_one_approval_approver UNIQUE (approval, approver);


--
-- Name: approval_decisions approval_decisions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.approval_decisions
    ADD CONSTRAINT approval_decisions_pkey PRIMARY KEY (id);


--
-- Name: approvals approvals_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.approvals
    ADD CONSTRAINT approvals_pkey PRIMARY KEY (id);


--
-- Name: audit_head audit_head_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_head
    ADD CONSTRAINT audit_head_pkey PRIMARY KEY (id);


--
-- Name: audit_leaves audit_leaves_one_position; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_one_position UNIQUE ("position");


--
-- Name: audit_leaves audit_leaves_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_leaves
    ADD CONSTRAINT audit_leaves_pkey PRIMARY KEY (id);


--
-- Name: audit_pending audit_pending_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit_pending
    ADD CONSTRAINT audit_pending_pkey PRIMARY KEY (id);


--
-- Name: audit audit_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);


--
-- Name: backfills backfills_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.backfills
    ADD CONSTRAINT backfills_pkey PRIMARY KEY (id);


--
-- Name: decision_exports decision_exports_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.decision_exports
    ADD CONSTRAINT decision_exports_pkey PRIMARY KEY (id);


--
-- Name: deployments deployments_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (id);


--
-- Name: disclosures disclosures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.disclosures
    ADD CONSTRAINT disclosures_pkey PRIMARY KEY (id);


--
-- Name: endpoints endpoints_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT endpoints_one_organisation_name UNIQUE (organisation, name);


--
-- Name: endpoints endpoints_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.endpoints
    ADD CONSTRAINT endpoints_pkey PRIMARY KEY (id);


--
-- Name: erasures erasures_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.erasures
    ADD CONSTRAINT erasures_pkey PRIMARY KEY (id);


--
-- Name: events events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);


--
-- Name: evidence evidence_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (id);


--
-- Name: fallback_uses fallback_uses_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.fallback_uses
    ADD CONSTRAINT fallback_uses_pkey PRIMARY KEY (id);


--
-- Name: gates gates_one_organisation_name_number; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.gates
    ADD CONSTRAINT gates_one_organisation_name_number UNIQUE (organisation, name, number);


--
-- Name: gates gates_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.gates
    ADD CONSTRAINT gates_pkey PRIMARY KEY (id);


--
-- Name: idempotency idempotency_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (id);


--
-- Name: identities identities_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.identities
    ADD CONSTRAINT identities_one_organisation_name UNIQUE (organisation, name);


--
-- Name: identities identities_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.identities
    ADD CONSTRAINT identities_pkey PRIMARY KEY (id);


--
-- Name: inbox inbox_one_consumer_event_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_one_consumer_event_id UNIQUE (consumer, event_id);


--
-- Name: inbox inbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (id);


--
-- Name: job_artifacts job_artifacts_one_job_attempt_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job_artifacts
    ADD CONSTRAINT job_artifacts_one_job_attempt_name UNIQUE (job, attempt, name);


--
-- Name: job_artifacts job_artifacts_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job_artifacts
    ADD CONSTRAINT job_artifacts_pkey PRIMARY KEY (id);


--
-- Name: job_logs job_logs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.job_logs
    ADD CONSTRAINT job_logs_pkey PRIMARY KEY (id);


--
-- Name: jobs jobs_one_organisation_active_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_one_organisation_active_key UNIQUE (organisation, active_key);


--
-- Name: jobs jobs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);


--
-- Name: leases leases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.leases
    ADD CONSTRAINT leases_pkey PRIMARY KEY (id);


--
-- Name: legal_holds legal_holds_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.legal_holds
    ADD CONSTRAINT legal_holds_pkey PRIMARY KEY (id);


--
-- Name: lineage lineage_one_child_parent; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.lineage
    ADD CONSTRAINT lineage_one_child_parent UNIQUE (child, parent);


--
-- Name: lineage lineage_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.lineage
    ADD CONSTRAINT lineage_pkey PRIMARY KEY (id);


--
-- Name: model_numbering model_numbering_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.model_numbering
    ADD CONSTRAINT model_numbering_pkey PRIMARY KEY (id);


--
-- Name: models models_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_one_organisation_name UNIQUE (organisation, name);


--
-- Name: models models_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.models
    ADD CONSTRAINT models_pkey PRIMARY KEY (id);


--
-- Name: monitor_runs monitor_runs_one_monitor_id_window_from_restatement; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.monitor_runs
    ADD CONSTRAINT monitor_runs_one_monitor_id_window_from_restatement UNIQUE (monitor_id, window_from, restatement);


--
-- Name: monitor_runs monitor_runs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.monitor_runs
    ADD CONSTRAINT monitor_runs_pkey PRIMARY KEY (id);


--
-- Name: monitors monitors_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.monitors
    ADD CONSTRAINT monitors_one_organisation_name UNIQUE (organisation, name);


--
-- Name: monitors monitors_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.monitors
    ADD CONSTRAINT monitors_pkey PRIMARY KEY (id);


--
-- Name: named_subjects named_subjects_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.named_subjects
    ADD CONSTRAINT named_subjects_pkey PRIMARY KEY (id);


--
-- Name: orders orders_one_organisation_payload; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_one_organisation_payload UNIQUE (organisation, payload);


--
-- Name: orders orders_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: outbox_position outbox_position_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox_position
    ADD CONSTRAINT outbox_position_pkey PRIMARY KEY (id);


--
-- Name: policy_sets policy_sets_one_number; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.policy_sets
    ADD CONSTRAINT policy_sets_one_number UNIQUE (number);


--
-- Name: policy_sets policy_sets_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.policy_sets
    ADD CONSTRAINT policy_sets_pkey PRIMARY KEY (id);


--
-- Name: process_definitions process_definitions_one_organisation_key_number; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_definitions
    ADD CONSTRAINT process_definitions_one_organisation_key_number UNIQUE (organisation, key, number);


--
-- Name: process_definitions process_definitions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_definitions
    ADD CONSTRAINT process_definitions_pkey PRIMARY KEY (id);


--
-- Name: process_incidents process_incidents_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_incidents
    ADD CONSTRAINT process_incidents_pkey PRIMARY KEY (id);


--
-- Name: process_instances process_instances_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_instances
    ADD CONSTRAINT process_instances_pkey PRIMARY KEY (id);


--
-- Name: process_messages process_messages_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_messages
    ADD CONSTRAINT process_messages_pkey PRIMARY KEY (id);


--
-- Name: process_sources process_sources_one_organisation_digest_of_source; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_sources
    ADD CONSTRAINT process_sources_one_organisation_digest_of_source UNIQUE (organisation, digest_of_source);


--
-- Name: process_sources process_sources_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_sources
    ADD CONSTRAINT process_sources_pkey PRIMARY KEY (id);


--
-- Name: process_stays process_stays_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_stays
    ADD CONSTRAINT process_stays_pkey PRIMARY KEY (id);


--
-- Name: process_steps process_steps_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_steps
    ADD CONSTRAINT process_steps_pkey PRIMARY KEY (id);


--
-- Name: process_subscriptions process_subscriptions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_subscriptions
    ADD CONSTRAINT process_subscriptions_pkey PRIMARY KEY (id);


--
-- Name: process_timers process_timers_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_timers
    ADD CONSTRAINT process_timers_pkey PRIMARY KEY (id);


--
-- Name: process_work process_work_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.process_work
    ADD CONSTRAINT process_work_pkey PRIMARY KEY (id);


--
-- Name: releases releases_one_organisation_payload; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_one_organisation_payload UNIQUE (organisation, payload);


--
-- Name: releases releases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.releases
    ADD CONSTRAINT releases_pkey PRIMARY KEY (id);


--
-- Name: resource_limits resource_limits_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.resource_limits
    ADD CONSTRAINT resource_limits_one_organisation_name UNIQUE (organisation, name);


--
-- Name: resource_limits resource_limits_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.resource_limits
    ADD CONSTRAINT resource_limits_pkey PRIMARY KEY (id);


--
-- Name: retention_runs retention_runs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.retention_runs
    ADD CONSTRAINT retention_runs_pkey PRIMARY KEY (id);


--
-- Name: retentions retentions_one_organisation_scope; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.retentions
    ADD CONSTRAINT retentions_one_organisation_scope UNIQUE (organisation, scope);


--
-- Name: retentions retentions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.retentions
    ADD CONSTRAINT retentions_pkey PRIMARY KEY (id);


--
-- Name: revocations revocations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.revocations
    ADD CONSTRAINT revocations_pkey PRIMARY KEY (id);


--
-- Name: risk_assessments risk_assessments_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.risk_assessments
    ADD CONSTRAINT risk_assessments_pkey PRIMARY KEY (id);


--
-- Name: role_grants role_grants_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.role_grants
    ADD CONSTRAINT role_grants_pkey PRIMARY KEY (id);


--
-- Name: route_snapshots route_snapshots_one_organisation_epoch; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.route_snapshots
    ADD CONSTRAINT route_snapshots_one_organisation_epoch UNIQUE (organisation, epoch);


--
-- Name: route_snapshots route_snapshots_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.route_snapshots
    ADD CONSTRAINT route_snapshots_pkey PRIMARY KEY (id);


--
-- Name: schedules schedules_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_one_organisation_name UNIQUE (organisation, name);


--
-- Name: schedules schedules_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (id);


--
-- Name: signing_keys signing_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.signing_keys
    ADD CONSTRAINT signing_keys_pkey PRIMARY KEY (id);


--
-- Name: task_candidacies task_candidacies_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_candidacies
    ADD CONSTRAINT task_candidacies_pkey PRIMARY KEY (id);


--
-- Name: task_decisions task_decisions_one_instance_sequence; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_decisions
    ADD CONSTRAINT task_decisions_one_instance_sequence UNIQUE (instance, sequence);


--
-- Name: task_decisions task_decisions_one_task_approver; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_decisions
    ADD CONSTRAINT task_decisions_one_task_approver UNIQUE (task, approver);


--
-- Name: task_decisions task_decisions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_decisions
    ADD CONSTRAINT task_decisions_pkey PRIMARY KEY (id);


--
-- Name: task_notes task_notes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.task_notes
    ADD CONSTRAINT task_notes_pkey PRIMARY KEY (id);


--
-- Name: tasks tasks_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tasks
    ADD CONSTRAINT tasks_pkey PRIMARY KEY (id);


--
-- Name: tokens tokens_one_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_one_key UNIQUE (key);


--
-- Name: tokens tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT tokens_pkey PRIMARY KEY (id);


--
-- Name: use_cases use_cases_one_organisation_name; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.use_cases
    ADD CONSTRAINT use_cases_one_organisation_name UNIQUE (organisation, name);


--
-- Name: use_cases use_cases_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.use_cases
    ADD CONSTRAINT use_cases_pkey PRIMARY KEY (id);


--
-- Name: value_entries value_entries_one_organisation_use_case_endpoint_versi_7518c31e; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.value_entries
    ADD CONSTRAINT value_entries_one_organisation_use_case_endpoint_versi_7518c31e UNIQUE (organisation, use_case, endpoint, version, period_from, restatement);


--
-- Name: value_entries value_entries_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.value_entries
    ADD CONSTRAINT value_entries_pkey PRIMARY KEY (id);


--
-- Name: version_states version_states_one_model_id_number; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.version_states
    ADD CONSTRAINT version_states_one_model_id_number UNIQUE (model_id, number);


--
-- Name: version_states version_states_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.version_states
    ADD CONSTRAINT version_states_pkey PRIMARY KEY (id);


--
-- Name: version_status_changes version_status_changes_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.version_status_changes
    ADD CONSTRAINT version_status_changes_pkey PRIMARY KEY (id);


--
-- Name: versions versions_one_model_id_manifest_digest; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_one_model_id_manifest_digest UNIQUE (model_id, manifest_digest);


--
-- Name: versions versions_one_model_id_number; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_one_model_id_number UNIQUE (model_id, number);


--
-- Name: versions versions_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.versions
    ADD CONSTRAINT versions_pkey PRIMARY KEY (id);


--
-- Name: alerts_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_age ON public.alerts USING btree (organisation, created_at, id);


--
-- Name: alerts_by_arm; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_arm ON public.alerts USING btree (arm, organisation, created_at, id);


--
-- Name: alerts_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_endpoint ON public.alerts USING btree (endpoint, organisation, created_at, id);


--
-- Name: alerts_by_field; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_field ON public.alerts USING btree (field, organisation, created_at, id);


--
-- Name: alerts_by_first_seen; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_first_seen ON public.alerts USING btree (first_seen, organisation, created_at, id);


--
-- Name: alerts_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_key ON public.alerts USING btree (key, organisation, created_at, id);


--
-- Name: alerts_by_last_seen; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_last_seen ON public.alerts USING btree (last_seen, organisation, created_at, id);


--
-- Name: alerts_by_live; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_live ON public.alerts USING btree (live, organisation, created_at, id);


--
-- Name: alerts_by_measure; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_measure ON public.alerts USING btree (measure, organisation, created_at, id);


--
-- Name: alerts_by_monitor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_monitor ON public.alerts USING btree (monitor, organisation, created_at, id);


--
-- Name: alerts_by_monitor_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_monitor_id ON public.alerts USING btree (monitor_id, organisation, created_at, id);


--
-- Name: alerts_by_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_owner ON public.alerts USING btree (owner, organisation, created_at, id);


--
-- Name: alerts_by_severity; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_severity ON public.alerts USING btree (severity, organisation, created_at, id);


--
-- Name: alerts_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_state ON public.alerts USING btree (state, organisation, created_at, id);


--
-- Name: alerts_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_use_case ON public.alerts USING btree (use_case, organisation, created_at, id);


--
-- Name: alerts_by_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_version ON public.alerts USING btree (version, organisation, created_at, id);


--
-- Name: alerts_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX alerts_by_words ON public.alerts USING gin (words);


--
-- Name: annotations_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX annotations_by_age ON public.annotations USING btree (organisation, created_at, id);


--
-- Name: annotations_by_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX annotations_by_by ON public.annotations USING btree (by, organisation, created_at, id);


--
-- Name: annotations_by_field; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX annotations_by_field ON public.annotations USING btree (field, organisation, created_at, id);


--
-- Name: annotations_by_version_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX annotations_by_version_id ON public.annotations USING btree (version_id, organisation, created_at, id);


--
-- Name: approval_decisions_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approval_decisions_by_age ON public.approval_decisions USING btree (organisation, created_at, id);


--
-- Name: approval_decisions_by_approval; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approval_decisions_by_approval ON public.approval_decisions USING btree (approval, organisation, created_at, id);


--
-- Name: approval_decisions_by_approver; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approval_decisions_by_approver ON public.approval_decisions USING btree (approver, organisation, created_at, id);


--
-- Name: approval_decisions_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approval_decisions_by_words ON public.approval_decisions USING gin (words);


--
-- Name: approvals_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_age ON public.approvals USING btree (organisation, created_at, id);


--
-- Name: approvals_by_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_expires_at ON public.approvals USING btree (expires_at, organisation, created_at, id);


--
-- Name: approvals_by_requester; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_requester ON public.approvals USING btree (requester, organisation, created_at, id);


--
-- Name: approvals_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_status ON public.approvals USING btree (status, organisation, created_at, id);


--
-- Name: approvals_by_subject_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_subject_id ON public.approvals USING btree (subject_id, organisation, created_at, id);


--
-- Name: approvals_by_tier; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_tier ON public.approvals USING btree (tier, organisation, created_at, id);


--
-- Name: approvals_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX approvals_by_words ON public.approvals USING gin (words);


--
-- Name: audit_by_action; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_action ON public.audit USING btree (action, organisation, created_at, id);


--
-- Name: audit_by_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_actor ON public.audit USING btree (actor, organisation, created_at, id);


--
-- Name: audit_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_age ON public.audit USING btree (organisation, created_at, id);


--
-- Name: audit_by_outcome; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_outcome ON public.audit USING btree (outcome, organisation, created_at, id);


--
-- Name: audit_by_subject_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_subject_id ON public.audit USING btree (subject_id, organisation, created_at, id);


--
-- Name: audit_by_subject_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_subject_type ON public.audit USING btree (subject_type, organisation, created_at, id);


--
-- Name: audit_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_by_words ON public.audit USING gin (words);


--
-- Name: audit_head_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_head_by_age ON public.audit_head USING btree (organisation, created_at, id);


--
-- Name: audit_leaves_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_leaves_by_age ON public.audit_leaves USING btree (organisation, created_at, id);


--
-- Name: audit_leaves_by_position; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_leaves_by_position ON public.audit_leaves USING btree ("position", organisation, created_at, id);


--
-- Name: audit_pending_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX audit_pending_by_age ON public.audit_pending USING btree (organisation, created_at, id);


--
-- Name: backfills_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX backfills_by_age ON public.backfills USING btree (organisation, created_at, id);


--
-- Name: backfills_by_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX backfills_by_by ON public.backfills USING btree (by, organisation, created_at, id);


--
-- Name: backfills_by_content; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX backfills_by_content ON public.backfills USING btree (content, organisation, created_at, id);


--
-- Name: backfills_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX backfills_by_endpoint ON public.backfills USING btree (endpoint, organisation, created_at, id);


--
-- Name: backfills_by_source; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX backfills_by_source ON public.backfills USING btree (source, organisation, created_at, id);


--
-- Name: backfills_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX backfills_by_use_case ON public.backfills USING btree (use_case, organisation, created_at, id);


--
-- Name: decision_exports_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX decision_exports_by_age ON public.decision_exports USING btree (organisation, created_at, id);


--
-- Name: decision_exports_by_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX decision_exports_by_by ON public.decision_exports USING btree (by, organisation, created_at, id);


--
-- Name: decision_exports_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX decision_exports_by_endpoint ON public.decision_exports USING btree (endpoint, organisation, created_at, id);


--
-- Name: decision_exports_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX decision_exports_by_use_case ON public.decision_exports USING btree (use_case, organisation, created_at, id);


--
-- Name: deployments_by_action; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deployments_by_action ON public.deployments USING btree (action, organisation, created_at, id);


--
-- Name: deployments_by_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deployments_by_actor ON public.deployments USING btree (actor, organisation, created_at, id);


--
-- Name: deployments_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deployments_by_age ON public.deployments USING btree (organisation, created_at, id);


--
-- Name: deployments_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deployments_by_endpoint ON public.deployments USING btree (endpoint, organisation, created_at, id);


--
-- Name: deployments_by_epoch; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deployments_by_epoch ON public.deployments USING btree (epoch, organisation, created_at, id);


--
-- Name: deployments_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX deployments_by_words ON public.deployments USING gin (words);


--
-- Name: disclosures_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX disclosures_by_age ON public.disclosures USING btree (organisation, created_at, id);


--
-- Name: disclosures_by_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX disclosures_by_by ON public.disclosures USING btree (by, organisation, created_at, id);


--
-- Name: endpoints_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_by_age ON public.endpoints USING btree (organisation, created_at, id);


--
-- Name: endpoints_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_by_name ON public.endpoints USING btree (name, organisation, created_at, id);


--
-- Name: endpoints_by_stage; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_by_stage ON public.endpoints USING btree (stage, organisation, created_at, id);


--
-- Name: endpoints_by_tier; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_by_tier ON public.endpoints USING btree (tier, organisation, created_at, id);


--
-- Name: endpoints_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_by_use_case ON public.endpoints USING btree (use_case, organisation, created_at, id);


--
-- Name: endpoints_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX endpoints_by_words ON public.endpoints USING gin (words);


--
-- Name: erasures_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX erasures_by_age ON public.erasures USING btree (organisation, created_at, id);


--
-- Name: erasures_by_requested_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX erasures_by_requested_by ON public.erasures USING btree (requested_by, organisation, created_at, id);


--
-- Name: erasures_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX erasures_by_state ON public.erasures USING btree (state, organisation, created_at, id);


--
-- Name: erasures_by_subject_digest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX erasures_by_subject_digest ON public.erasures USING btree (subject_digest, organisation, created_at, id);


--
-- Name: events_by_actor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_by_actor ON public.events USING btree (actor, organisation, created_at, id);


--
-- Name: events_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_by_age ON public.events USING btree (organisation, created_at, id);


--
-- Name: events_by_aggregate_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_by_aggregate_id ON public.events USING btree (aggregate_id, organisation, created_at, id);


--
-- Name: events_by_aggregate_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_by_aggregate_type ON public.events USING btree (aggregate_type, organisation, created_at, id);


--
-- Name: events_by_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX events_by_type ON public.events USING btree (type, organisation, created_at, id);


--
-- Name: evidence_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_by_age ON public.evidence USING btree (organisation, created_at, id);


--
-- Name: evidence_by_manifest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_by_manifest ON public.evidence USING btree (manifest, organisation, created_at, id);


--
-- Name: evidence_by_produced_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_by_produced_by ON public.evidence USING btree (produced_by, organisation, created_at, id);


--
-- Name: evidence_by_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_by_type ON public.evidence USING btree (type, organisation, created_at, id);


--
-- Name: evidence_by_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_by_version ON public.evidence USING btree (version, organisation, created_at, id);


--
-- Name: evidence_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX evidence_by_words ON public.evidence USING gin (words);


--
-- Name: fallback_uses_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_age ON public.fallback_uses USING btree (organisation, created_at, id);


--
-- Name: fallback_uses_by_answered_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_answered_by ON public.fallback_uses USING btree (answered_by, organisation, created_at, id);


--
-- Name: fallback_uses_by_arm; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_arm ON public.fallback_uses USING btree (arm, organisation, created_at, id);


--
-- Name: fallback_uses_by_cause; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_cause ON public.fallback_uses USING btree (cause, organisation, created_at, id);


--
-- Name: fallback_uses_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_endpoint ON public.fallback_uses USING btree (endpoint, organisation, created_at, id);


--
-- Name: fallback_uses_by_runtime; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_runtime ON public.fallback_uses USING btree (runtime, organisation, created_at, id);


--
-- Name: fallback_uses_by_since; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX fallback_uses_by_since ON public.fallback_uses USING btree (since, organisation, created_at, id);


--
-- Name: gates_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX gates_by_age ON public.gates USING btree (organisation, created_at, id);


--
-- Name: gates_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX gates_by_name ON public.gates USING btree (name, organisation, created_at, id);


--
-- Name: gates_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX gates_by_number ON public.gates USING btree (number, organisation, created_at, id);


--
-- Name: gates_by_to_stage; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX gates_by_to_stage ON public.gates USING btree (to_stage, organisation, created_at, id);


--
-- Name: gates_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX gates_by_words ON public.gates USING gin (words);


--
-- Name: idempotency_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotency_by_age ON public.idempotency USING btree (organisation, created_at, id);


--
-- Name: identities_by_active; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX identities_by_active ON public.identities USING btree (active, organisation, created_at, id);


--
-- Name: identities_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX identities_by_age ON public.identities USING btree (organisation, created_at, id);


--
-- Name: identities_by_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX identities_by_kind ON public.identities USING btree (kind, organisation, created_at, id);


--
-- Name: identities_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX identities_by_name ON public.identities USING btree (name, organisation, created_at, id);


--
-- Name: identities_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX identities_by_words ON public.identities USING gin (words);


--
-- Name: inbox_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_age ON public.inbox USING btree (organisation, created_at, id);


--
-- Name: inbox_by_aggregate; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_aggregate ON public.inbox USING btree (aggregate, organisation, created_at, id);


--
-- Name: inbox_by_consumer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_consumer ON public.inbox USING btree (consumer, organisation, created_at, id);


--
-- Name: inbox_by_event_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_event_id ON public.inbox USING btree (event_id, organisation, created_at, id);


--
-- Name: inbox_by_event_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_event_type ON public.inbox USING btree (event_type, organisation, created_at, id);


--
-- Name: inbox_by_lease_until; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_lease_until ON public.inbox USING btree (lease_until, organisation, created_at, id);


--
-- Name: inbox_by_not_before; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_not_before ON public.inbox USING btree (not_before, organisation, created_at, id);


--
-- Name: inbox_by_position; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_position ON public.inbox USING btree ("position", organisation, created_at, id);


--
-- Name: inbox_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX inbox_by_state ON public.inbox USING btree (state, organisation, created_at, id);


--
-- Name: job_artifacts_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_artifacts_by_age ON public.job_artifacts USING btree (organisation, created_at, id);


--
-- Name: job_artifacts_by_attempt; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_artifacts_by_attempt ON public.job_artifacts USING btree (attempt, organisation, created_at, id);


--
-- Name: job_artifacts_by_blob; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_artifacts_by_blob ON public.job_artifacts USING btree (blob, organisation, created_at, id);


--
-- Name: job_artifacts_by_job; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_artifacts_by_job ON public.job_artifacts USING btree (job, organisation, created_at, id);


--
-- Name: job_artifacts_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_artifacts_by_name ON public.job_artifacts USING btree (name, organisation, created_at, id);


--
-- Name: job_logs_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX job_logs_by_age ON public.job_logs USING btree (organisation, created_at, id);


--
-- Name: jobs_by_active_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_active_key ON public.jobs USING btree (active_key, organisation, created_at, id);


--
-- Name: jobs_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_age ON public.jobs USING btree (organisation, created_at, id);


--
-- Name: jobs_by_enqueued_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_enqueued_by ON public.jobs USING btree (enqueued_by, organisation, created_at, id);


--
-- Name: jobs_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_key ON public.jobs USING btree (key, organisation, created_at, id);


--
-- Name: jobs_by_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_kind ON public.jobs USING btree (kind, organisation, created_at, id);


--
-- Name: jobs_by_lane; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_lane ON public.jobs USING btree (lane, organisation, created_at, id);


--
-- Name: jobs_by_lease_until; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_lease_until ON public.jobs USING btree (lease_until, organisation, created_at, id);


--
-- Name: jobs_by_not_before; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_not_before ON public.jobs USING btree (not_before, organisation, created_at, id);


--
-- Name: jobs_by_occupies; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_occupies ON public.jobs USING btree (occupies, organisation, created_at, id);


--
-- Name: jobs_by_rank; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_rank ON public.jobs USING btree (rank, organisation, created_at, id);


--
-- Name: jobs_by_resource; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_resource ON public.jobs USING btree (resource, organisation, created_at, id);


--
-- Name: jobs_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_state ON public.jobs USING btree (state, organisation, created_at, id);


--
-- Name: jobs_by_worker; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX jobs_by_worker ON public.jobs USING btree (worker, organisation, created_at, id);


--
-- Name: leases_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX leases_by_age ON public.leases USING btree (organisation, created_at, id);


--
-- Name: leases_by_until; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX leases_by_until ON public.leases USING btree (until, organisation, created_at, id);


--
-- Name: legal_holds_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX legal_holds_by_age ON public.legal_holds USING btree (organisation, created_at, id);


--
-- Name: legal_holds_by_matter; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX legal_holds_by_matter ON public.legal_holds USING btree (matter, organisation, created_at, id);


--
-- Name: legal_holds_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX legal_holds_by_state ON public.legal_holds USING btree (state, organisation, created_at, id);


--
-- Name: legal_holds_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX legal_holds_by_use_case ON public.legal_holds USING btree (use_case, organisation, created_at, id);


--
-- Name: legal_holds_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX legal_holds_by_words ON public.legal_holds USING gin (words);


--
-- Name: lineage_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX lineage_by_age ON public.lineage USING btree (organisation, created_at, id);


--
-- Name: lineage_by_child; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX lineage_by_child ON public.lineage USING btree (child, organisation, created_at, id);


--
-- Name: lineage_by_parent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX lineage_by_parent ON public.lineage USING btree (parent, organisation, created_at, id);


--
-- Name: model_numbering_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX model_numbering_by_age ON public.model_numbering USING btree (organisation, created_at, id);


--
-- Name: models_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_age ON public.models USING btree (organisation, created_at, id);


--
-- Name: models_by_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_kind ON public.models USING btree (kind, organisation, created_at, id);


--
-- Name: models_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_name ON public.models USING btree (name, organisation, created_at, id);


--
-- Name: models_by_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_owner ON public.models USING btree (owner, organisation, created_at, id);


--
-- Name: models_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_state ON public.models USING btree (state, organisation, created_at, id);


--
-- Name: models_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_use_case ON public.models USING btree (use_case, organisation, created_at, id);


--
-- Name: models_by_use_case_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_use_case_id ON public.models USING btree (use_case_id, organisation, created_at, id);


--
-- Name: models_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX models_by_words ON public.models USING gin (words);


--
-- Name: monitor_runs_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_age ON public.monitor_runs USING btree (organisation, created_at, id);


--
-- Name: monitor_runs_by_arm; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_arm ON public.monitor_runs USING btree (arm, organisation, created_at, id);


--
-- Name: monitor_runs_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_endpoint ON public.monitor_runs USING btree (endpoint, organisation, created_at, id);


--
-- Name: monitor_runs_by_monitor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_monitor ON public.monitor_runs USING btree (monitor, organisation, created_at, id);


--
-- Name: monitor_runs_by_monitor_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_monitor_id ON public.monitor_runs USING btree (monitor_id, organisation, created_at, id);


--
-- Name: monitor_runs_by_restatement; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_restatement ON public.monitor_runs USING btree (restatement, organisation, created_at, id);


--
-- Name: monitor_runs_by_restates; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_restates ON public.monitor_runs USING btree (restates, organisation, created_at, id);


--
-- Name: monitor_runs_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_status ON public.monitor_runs USING btree (status, organisation, created_at, id);


--
-- Name: monitor_runs_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_use_case ON public.monitor_runs USING btree (use_case, organisation, created_at, id);


--
-- Name: monitor_runs_by_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_version ON public.monitor_runs USING btree (version, organisation, created_at, id);


--
-- Name: monitor_runs_by_window_from; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_window_from ON public.monitor_runs USING btree (window_from, organisation, created_at, id);


--
-- Name: monitor_runs_by_window_to; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitor_runs_by_window_to ON public.monitor_runs USING btree (window_to, organisation, created_at, id);


--
-- Name: monitors_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_age ON public.monitors USING btree (organisation, created_at, id);


--
-- Name: monitors_by_arm; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_arm ON public.monitors USING btree (arm, organisation, created_at, id);


--
-- Name: monitors_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_endpoint ON public.monitors USING btree (endpoint, organisation, created_at, id);


--
-- Name: monitors_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_name ON public.monitors USING btree (name, organisation, created_at, id);


--
-- Name: monitors_by_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_owner ON public.monitors USING btree (owner, organisation, created_at, id);


--
-- Name: monitors_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_status ON public.monitors USING btree (status, organisation, created_at, id);


--
-- Name: monitors_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_use_case ON public.monitors USING btree (use_case, organisation, created_at, id);


--
-- Name: monitors_by_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_version ON public.monitors USING btree (version, organisation, created_at, id);


--
-- Name: monitors_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX monitors_by_words ON public.monitors USING gin (words);


--
-- Name: named_subjects_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX named_subjects_by_age ON public.named_subjects USING btree (organisation, created_at, id);


--
-- Name: orders_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_age ON public.orders USING btree (organisation, created_at, id);


--
-- Name: orders_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_endpoint ON public.orders USING btree (endpoint, organisation, created_at, id);


--
-- Name: orders_by_issued_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_issued_by ON public.orders USING btree (issued_by, organisation, created_at, id);


--
-- Name: orders_by_outcome; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_outcome ON public.orders USING btree (outcome, organisation, created_at, id);


--
-- Name: orders_by_payload; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_payload ON public.orders USING btree (payload, organisation, created_at, id);


--
-- Name: orders_by_until; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_until ON public.orders USING btree (until, organisation, created_at, id);


--
-- Name: orders_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX orders_by_words ON public.orders USING gin (words);


--
-- Name: outbox_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_by_age ON public.outbox USING btree (organisation, created_at, id);


--
-- Name: outbox_by_aggregate_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_by_aggregate_id ON public.outbox USING btree (aggregate_id, organisation, created_at, id);


--
-- Name: outbox_by_type; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_by_type ON public.outbox USING btree (type, organisation, created_at, id);


--
-- Name: outbox_position_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX outbox_position_by_age ON public.outbox_position USING btree (organisation, created_at, id);


--
-- Name: policy_sets_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX policy_sets_by_age ON public.policy_sets USING btree (organisation, created_at, id);


--
-- Name: policy_sets_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX policy_sets_by_number ON public.policy_sets USING btree (number, organisation, created_at, id);


--
-- Name: policy_sets_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX policy_sets_by_state ON public.policy_sets USING btree (state, organisation, created_at, id);


--
-- Name: policy_sets_by_text_digest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX policy_sets_by_text_digest ON public.policy_sets USING btree (text_digest, organisation, created_at, id);


--
-- Name: policy_sets_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX policy_sets_by_words ON public.policy_sets USING gin (words);


--
-- Name: process_definitions_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_age ON public.process_definitions USING btree (organisation, created_at, id);


--
-- Name: process_definitions_by_bundle; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_bundle ON public.process_definitions USING btree (bundle, organisation, created_at, id);


--
-- Name: process_definitions_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_key ON public.process_definitions USING btree (key, organisation, created_at, id);


--
-- Name: process_definitions_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_number ON public.process_definitions USING btree (number, organisation, created_at, id);


--
-- Name: process_definitions_by_proposed_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_proposed_by ON public.process_definitions USING btree (proposed_by, organisation, created_at, id);


--
-- Name: process_definitions_by_source; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_source ON public.process_definitions USING btree (source, organisation, created_at, id);


--
-- Name: process_definitions_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_status ON public.process_definitions USING btree (status, organisation, created_at, id);


--
-- Name: process_definitions_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_definitions_by_words ON public.process_definitions USING gin (words);


--
-- Name: process_incidents_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_age ON public.process_incidents USING btree (organisation, created_at, id);


--
-- Name: process_incidents_by_cause; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_cause ON public.process_incidents USING btree (cause, organisation, created_at, id);


--
-- Name: process_incidents_by_element; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_element ON public.process_incidents USING btree (element, organisation, created_at, id);


--
-- Name: process_incidents_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_instance ON public.process_incidents USING btree (instance, organisation, created_at, id);


--
-- Name: process_incidents_by_process; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_process ON public.process_incidents USING btree (process, organisation, created_at, id);


--
-- Name: process_incidents_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_status ON public.process_incidents USING btree (status, organisation, created_at, id);


--
-- Name: process_incidents_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_incidents_by_words ON public.process_incidents USING gin (words);


--
-- Name: process_instances_by_about; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_about ON public.process_instances USING btree (about, organisation, created_at, id);


--
-- Name: process_instances_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_age ON public.process_instances USING btree (organisation, created_at, id);


--
-- Name: process_instances_by_definition; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_definition ON public.process_instances USING btree (definition, organisation, created_at, id);


--
-- Name: process_instances_by_health; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_health ON public.process_instances USING btree (health, organisation, created_at, id);


--
-- Name: process_instances_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_number ON public.process_instances USING btree (number, organisation, created_at, id);


--
-- Name: process_instances_by_parent; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_parent ON public.process_instances USING btree (parent, organisation, created_at, id);


--
-- Name: process_instances_by_process; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_process ON public.process_instances USING btree (process, organisation, created_at, id);


--
-- Name: process_instances_by_started_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_started_by ON public.process_instances USING btree (started_by, organisation, created_at, id);


--
-- Name: process_instances_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_status ON public.process_instances USING btree (status, organisation, created_at, id);


--
-- Name: process_instances_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_use_case ON public.process_instances USING btree (use_case, organisation, created_at, id);


--
-- Name: process_instances_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_instances_by_words ON public.process_instances USING gin (words);


--
-- Name: process_messages_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_messages_by_age ON public.process_messages USING btree (organisation, created_at, id);


--
-- Name: process_messages_by_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_messages_by_expires_at ON public.process_messages USING btree (expires_at, organisation, created_at, id);


--
-- Name: process_messages_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_messages_by_key ON public.process_messages USING btree (key, organisation, created_at, id);


--
-- Name: process_messages_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_messages_by_name ON public.process_messages USING btree (name, organisation, created_at, id);


--
-- Name: process_sources_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_sources_by_age ON public.process_sources USING btree (organisation, created_at, id);


--
-- Name: process_sources_by_digest_of_source; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_sources_by_digest_of_source ON public.process_sources USING btree (digest_of_source, organisation, created_at, id);


--
-- Name: process_stays_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_age ON public.process_stays USING btree (organisation, created_at, id);


--
-- Name: process_stays_by_element; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_element ON public.process_stays USING btree (element, organisation, created_at, id);


--
-- Name: process_stays_by_entered_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_entered_at ON public.process_stays USING btree (entered_at, organisation, created_at, id);


--
-- Name: process_stays_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_instance ON public.process_stays USING btree (instance, organisation, created_at, id);


--
-- Name: process_stays_by_left_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_left_at ON public.process_stays USING btree (left_at, organisation, created_at, id);


--
-- Name: process_stays_by_process; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_process ON public.process_stays USING btree (process, organisation, created_at, id);


--
-- Name: process_stays_by_role; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_role ON public.process_stays USING btree (role, organisation, created_at, id);


--
-- Name: process_stays_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_stays_by_use_case ON public.process_stays USING btree (use_case, organisation, created_at, id);


--
-- Name: process_steps_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_steps_by_age ON public.process_steps USING btree (organisation, created_at, id);


--
-- Name: process_steps_by_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_steps_by_by ON public.process_steps USING btree (by, organisation, created_at, id);


--
-- Name: process_steps_by_event; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_steps_by_event ON public.process_steps USING btree (event, organisation, created_at, id);


--
-- Name: process_steps_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_steps_by_instance ON public.process_steps USING btree (instance, organisation, created_at, id);


--
-- Name: process_steps_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_steps_by_number ON public.process_steps USING btree (number, organisation, created_at, id);


--
-- Name: process_subscriptions_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_subscriptions_by_age ON public.process_subscriptions USING btree (organisation, created_at, id);


--
-- Name: process_subscriptions_by_definition; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_subscriptions_by_definition ON public.process_subscriptions USING btree (definition, organisation, created_at, id);


--
-- Name: process_subscriptions_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_subscriptions_by_instance ON public.process_subscriptions USING btree (instance, organisation, created_at, id);


--
-- Name: process_subscriptions_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_subscriptions_by_key ON public.process_subscriptions USING btree (key, organisation, created_at, id);


--
-- Name: process_subscriptions_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_subscriptions_by_name ON public.process_subscriptions USING btree (name, organisation, created_at, id);


--
-- Name: process_subscriptions_by_signal; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_subscriptions_by_signal ON public.process_subscriptions USING btree (signal, organisation, created_at, id);


--
-- Name: process_timers_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_timers_by_age ON public.process_timers USING btree (organisation, created_at, id);


--
-- Name: process_timers_by_definition; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_timers_by_definition ON public.process_timers USING btree (definition, organisation, created_at, id);


--
-- Name: process_timers_by_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_timers_by_due ON public.process_timers USING btree (due, organisation, created_at, id);


--
-- Name: process_timers_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_timers_by_instance ON public.process_timers USING btree (instance, organisation, created_at, id);


--
-- Name: process_work_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_work_by_age ON public.process_work USING btree (organisation, created_at, id);


--
-- Name: process_work_by_child; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_work_by_child ON public.process_work USING btree (child, organisation, created_at, id);


--
-- Name: process_work_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_work_by_instance ON public.process_work USING btree (instance, organisation, created_at, id);


--
-- Name: process_work_by_job; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_work_by_job ON public.process_work USING btree (job, organisation, created_at, id);


--
-- Name: process_work_by_not_before; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_work_by_not_before ON public.process_work USING btree (not_before, organisation, created_at, id);


--
-- Name: process_work_by_operation; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX process_work_by_operation ON public.process_work USING btree (operation, organisation, created_at, id);


--
-- Name: releases_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_age ON public.releases USING btree (organisation, created_at, id);


--
-- Name: releases_by_approval; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_approval ON public.releases USING btree (approval, organisation, created_at, id);


--
-- Name: releases_by_key_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_key_id ON public.releases USING btree (key_id, organisation, created_at, id);


--
-- Name: releases_by_model; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_model ON public.releases USING btree (model, organisation, created_at, id);


--
-- Name: releases_by_payload; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_payload ON public.releases USING btree (payload, organisation, created_at, id);


--
-- Name: releases_by_stage; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_stage ON public.releases USING btree (stage, organisation, created_at, id);


--
-- Name: releases_by_until; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_until ON public.releases USING btree (until, organisation, created_at, id);


--
-- Name: releases_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_use_case ON public.releases USING btree (use_case, organisation, created_at, id);


--
-- Name: releases_by_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX releases_by_version ON public.releases USING btree (version, organisation, created_at, id);


--
-- Name: resource_limits_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX resource_limits_by_age ON public.resource_limits USING btree (organisation, created_at, id);


--
-- Name: resource_limits_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX resource_limits_by_name ON public.resource_limits USING btree (name, organisation, created_at, id);


--
-- Name: retention_runs_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retention_runs_by_age ON public.retention_runs USING btree (organisation, created_at, id);


--
-- Name: retention_runs_by_asked_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retention_runs_by_asked_by ON public.retention_runs USING btree (asked_by, organisation, created_at, id);


--
-- Name: retention_runs_by_state; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retention_runs_by_state ON public.retention_runs USING btree (state, organisation, created_at, id);


--
-- Name: retention_runs_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retention_runs_by_use_case ON public.retention_runs USING btree (use_case, organisation, created_at, id);


--
-- Name: retentions_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retentions_by_age ON public.retentions USING btree (organisation, created_at, id);


--
-- Name: retentions_by_scope; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retentions_by_scope ON public.retentions USING btree (scope, organisation, created_at, id);


--
-- Name: retentions_by_tier; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retentions_by_tier ON public.retentions USING btree (tier, organisation, created_at, id);


--
-- Name: retentions_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX retentions_by_use_case ON public.retentions USING btree (use_case, organisation, created_at, id);


--
-- Name: revocations_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX revocations_by_age ON public.revocations USING btree (organisation, created_at, id);


--
-- Name: revocations_by_payload; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX revocations_by_payload ON public.revocations USING btree (payload, organisation, created_at, id);


--
-- Name: risk_assessments_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX risk_assessments_by_age ON public.risk_assessments USING btree (organisation, created_at, id);


--
-- Name: risk_assessments_by_assessor; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX risk_assessments_by_assessor ON public.risk_assessments USING btree (assessor, organisation, created_at, id);


--
-- Name: risk_assessments_by_next_review; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX risk_assessments_by_next_review ON public.risk_assessments USING btree (next_review, organisation, created_at, id);


--
-- Name: risk_assessments_by_tier; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX risk_assessments_by_tier ON public.risk_assessments USING btree (tier, organisation, created_at, id);


--
-- Name: risk_assessments_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX risk_assessments_by_use_case ON public.risk_assessments USING btree (use_case, organisation, created_at, id);


--
-- Name: risk_assessments_by_use_case_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX risk_assessments_by_use_case_id ON public.risk_assessments USING btree (use_case_id, organisation, created_at, id);


--
-- Name: role_grants_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX role_grants_by_age ON public.role_grants USING btree (organisation, created_at, id);


--
-- Name: role_grants_by_identity; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX role_grants_by_identity ON public.role_grants USING btree (identity, organisation, created_at, id);


--
-- Name: role_grants_by_revoked_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX role_grants_by_revoked_at ON public.role_grants USING btree (revoked_at, organisation, created_at, id);


--
-- Name: role_grants_by_role; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX role_grants_by_role ON public.role_grants USING btree (role, organisation, created_at, id);


--
-- Name: route_snapshots_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX route_snapshots_by_age ON public.route_snapshots USING btree (organisation, created_at, id);


--
-- Name: route_snapshots_by_epoch; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX route_snapshots_by_epoch ON public.route_snapshots USING btree (epoch, organisation, created_at, id);


--
-- Name: schedules_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedules_by_age ON public.schedules USING btree (organisation, created_at, id);


--
-- Name: schedules_by_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedules_by_kind ON public.schedules USING btree (kind, organisation, created_at, id);


--
-- Name: schedules_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedules_by_name ON public.schedules USING btree (name, organisation, created_at, id);


--
-- Name: schedules_by_next_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX schedules_by_next_due ON public.schedules USING btree (next_due, organisation, created_at, id);


--
-- Name: signing_keys_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX signing_keys_by_age ON public.signing_keys USING btree (organisation, created_at, id);


--
-- Name: signing_keys_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX signing_keys_by_status ON public.signing_keys USING btree (status, organisation, created_at, id);


--
-- Name: task_candidacies_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_candidacies_by_age ON public.task_candidacies USING btree (organisation, created_at, id);


--
-- Name: task_candidacies_by_task; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_candidacies_by_task ON public.task_candidacies USING btree (task, organisation, created_at, id);


--
-- Name: task_candidacies_by_urgency; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_candidacies_by_urgency ON public.task_candidacies USING btree (urgency, organisation, created_at, id);


--
-- Name: task_candidacies_by_who; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_candidacies_by_who ON public.task_candidacies USING btree (who, organisation, created_at, id);


--
-- Name: task_decisions_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_age ON public.task_decisions USING btree (organisation, created_at, id);


--
-- Name: task_decisions_by_approval; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_approval ON public.task_decisions USING btree (approval, organisation, created_at, id);


--
-- Name: task_decisions_by_approver; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_approver ON public.task_decisions USING btree (approver, organisation, created_at, id);


--
-- Name: task_decisions_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_instance ON public.task_decisions USING btree (instance, organisation, created_at, id);


--
-- Name: task_decisions_by_process; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_process ON public.task_decisions USING btree (process, organisation, created_at, id);


--
-- Name: task_decisions_by_sequence; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_sequence ON public.task_decisions USING btree (sequence, organisation, created_at, id);


--
-- Name: task_decisions_by_step; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_step ON public.task_decisions USING btree (step, organisation, created_at, id);


--
-- Name: task_decisions_by_subject_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_subject_id ON public.task_decisions USING btree (subject_id, organisation, created_at, id);


--
-- Name: task_decisions_by_task; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_task ON public.task_decisions USING btree (task, organisation, created_at, id);


--
-- Name: task_decisions_by_verdict; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_verdict ON public.task_decisions USING btree (verdict, organisation, created_at, id);


--
-- Name: task_decisions_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_decisions_by_words ON public.task_decisions USING gin (words);


--
-- Name: task_notes_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_notes_by_age ON public.task_notes USING btree (organisation, created_at, id);


--
-- Name: task_notes_by_author; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_notes_by_author ON public.task_notes USING btree (author, organisation, created_at, id);


--
-- Name: task_notes_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_notes_by_instance ON public.task_notes USING btree (instance, organisation, created_at, id);


--
-- Name: task_notes_by_task; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_notes_by_task ON public.task_notes USING btree (task, organisation, created_at, id);


--
-- Name: task_notes_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX task_notes_by_words ON public.task_notes USING gin (words);


--
-- Name: tasks_by_about; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_about ON public.tasks USING btree (about, organisation, created_at, id);


--
-- Name: tasks_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_age ON public.tasks USING btree (organisation, created_at, id);


--
-- Name: tasks_by_assignee; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_assignee ON public.tasks USING btree (assignee, organisation, created_at, id);


--
-- Name: tasks_by_completed_by; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_completed_by ON public.tasks USING btree (completed_by, organisation, created_at, id);


--
-- Name: tasks_by_due_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_due_at ON public.tasks USING btree (due_at, organisation, created_at, id);


--
-- Name: tasks_by_element; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_element ON public.tasks USING btree (element, organisation, created_at, id);


--
-- Name: tasks_by_instance; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_instance ON public.tasks USING btree (instance, organisation, created_at, id);


--
-- Name: tasks_by_next_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_next_at ON public.tasks USING btree (next_at, organisation, created_at, id);


--
-- Name: tasks_by_priority; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_priority ON public.tasks USING btree (priority, organisation, created_at, id);


--
-- Name: tasks_by_process; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_process ON public.tasks USING btree (process, organisation, created_at, id);


--
-- Name: tasks_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_status ON public.tasks USING btree (status, organisation, created_at, id);


--
-- Name: tasks_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_use_case ON public.tasks USING btree (use_case, organisation, created_at, id);


--
-- Name: tasks_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tasks_by_words ON public.tasks USING gin (words);


--
-- Name: tokens_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tokens_by_age ON public.tokens USING btree (organisation, created_at, id);


--
-- Name: tokens_by_expires_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tokens_by_expires_at ON public.tokens USING btree (expires_at, organisation, created_at, id);


--
-- Name: tokens_by_identity; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tokens_by_identity ON public.tokens USING btree (identity, organisation, created_at, id);


--
-- Name: tokens_by_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tokens_by_key ON public.tokens USING btree (key, organisation, created_at, id);


--
-- Name: tokens_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tokens_by_name ON public.tokens USING btree (name, organisation, created_at, id);


--
-- Name: tokens_by_revoked_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX tokens_by_revoked_at ON public.tokens USING btree (revoked_at, organisation, created_at, id);


--
-- Name: use_cases_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_age ON public.use_cases USING btree (organisation, created_at, id);


--
-- Name: use_cases_by_business_owner; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_business_owner ON public.use_cases USING btree (business_owner, organisation, created_at, id);


--
-- Name: use_cases_by_name; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_name ON public.use_cases USING btree (name, organisation, created_at, id);


--
-- Name: use_cases_by_regulatory_class; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_regulatory_class ON public.use_cases USING btree (regulatory_class, organisation, created_at, id);


--
-- Name: use_cases_by_review_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_review_at ON public.use_cases USING btree (review_at, organisation, created_at, id);


--
-- Name: use_cases_by_tier; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_tier ON public.use_cases USING btree (tier, organisation, created_at, id);


--
-- Name: use_cases_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX use_cases_by_words ON public.use_cases USING gin (words);


--
-- Name: value_entries_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_age ON public.value_entries USING btree (organisation, created_at, id);


--
-- Name: value_entries_by_currency; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_currency ON public.value_entries USING btree (currency, organisation, created_at, id);


--
-- Name: value_entries_by_endpoint; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_endpoint ON public.value_entries USING btree (endpoint, organisation, created_at, id);


--
-- Name: value_entries_by_period_from; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_period_from ON public.value_entries USING btree (period_from, organisation, created_at, id);


--
-- Name: value_entries_by_period_to; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_period_to ON public.value_entries USING btree (period_to, organisation, created_at, id);


--
-- Name: value_entries_by_restatement; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_restatement ON public.value_entries USING btree (restatement, organisation, created_at, id);


--
-- Name: value_entries_by_restates; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_restates ON public.value_entries USING btree (restates, organisation, created_at, id);


--
-- Name: value_entries_by_use_case; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_use_case ON public.value_entries USING btree (use_case, organisation, created_at, id);


--
-- Name: value_entries_by_version; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX value_entries_by_version ON public.value_entries USING btree (version, organisation, created_at, id);


--
-- Name: version_states_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_age ON public.version_states USING btree (organisation, created_at, id);


--
-- Name: version_states_by_developer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_developer ON public.version_states USING btree (developer, organisation, created_at, id);


--
-- Name: version_states_by_format; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_format ON public.version_states USING btree (format, organisation, created_at, id);


--
-- Name: version_states_by_kind; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_kind ON public.version_states USING btree (kind, organisation, created_at, id);


--
-- Name: version_states_by_manifest_digest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_manifest_digest ON public.version_states USING btree (manifest_digest, organisation, created_at, id);


--
-- Name: version_states_by_model; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_model ON public.version_states USING btree (model, organisation, created_at, id);


--
-- Name: version_states_by_model_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_model_id ON public.version_states USING btree (model_id, organisation, created_at, id);


--
-- Name: version_states_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_number ON public.version_states USING btree (number, organisation, created_at, id);


--
-- Name: version_states_by_stage; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_stage ON public.version_states USING btree (stage, organisation, created_at, id);


--
-- Name: version_states_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_status ON public.version_states USING btree (status, organisation, created_at, id);


--
-- Name: version_states_by_status_since; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_status_since ON public.version_states USING btree (status_since, organisation, created_at, id);


--
-- Name: version_states_by_use_case_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_use_case_id ON public.version_states USING btree (use_case_id, organisation, created_at, id);


--
-- Name: version_states_by_words; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_states_by_words ON public.version_states USING gin (words);


--
-- Name: version_status_changes_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_status_changes_by_age ON public.version_status_changes USING btree (organisation, created_at, id);


--
-- Name: version_status_changes_by_model_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_status_changes_by_model_id ON public.version_status_changes USING btree (model_id, organisation, created_at, id);


--
-- Name: version_status_changes_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_status_changes_by_status ON public.version_status_changes USING btree (status, organisation, created_at, id);


--
-- Name: version_status_changes_by_version_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX version_status_changes_by_version_id ON public.version_status_changes USING btree (version_id, organisation, created_at, id);


--
-- Name: versions_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX versions_by_age ON public.versions USING btree (organisation, created_at, id);


--
-- Name: versions_by_developer; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX versions_by_developer ON public.versions USING btree (developer, organisation, created_at, id);


--
-- Name: versions_by_manifest_digest; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX versions_by_manifest_digest ON public.versions USING btree (manifest_digest, organisation, created_at, id);


--
-- Name: versions_by_model; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX versions_by_model ON public.versions USING btree (model, organisation, created_at, id);


--
-- Name: versions_by_model_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX versions_by_model_id ON public.versions USING btree (model_id, organisation, created_at, id);


--
-- Name: versions_by_number; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX versions_by_number ON public.versions USING btree (number, organisation, created_at, id);


--
-- Name: annotations annotations_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER annotations_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.annotations FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: approval_decisions approval_decisions_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER approval_decisions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.approval_decisions FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: audit audit_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: audit_leaves audit_leaves_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER audit_leaves_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: backfills backfills_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER backfills_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.backfills FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: decision_exports decision_exports_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER decision_exports_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.decision_exports FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: deployments deployments_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER deployments_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.deployments FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: disclosures disclosures_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER disclosures_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.disclosures FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: events events_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.events FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: evidence evidence_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER evidence_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.evidence FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: fallback_uses fallback_uses_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER fallback_uses_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.fallback_uses FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: gates gates_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER gates_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.gates FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: idempotency idempotency_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER idempotency_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.idempotency FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: job_artifacts job_artifacts_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER job_artifacts_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.job_artifacts FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: job_logs job_logs_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER job_logs_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.job_logs FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: lineage lineage_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER lineage_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.lineage FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: monitor_runs monitor_runs_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER monitor_runs_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.monitor_runs FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: orders orders_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER orders_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: process_sources process_sources_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER process_sources_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.process_sources FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: process_steps process_steps_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER process_steps_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.process_steps FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: releases releases_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER releases_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.releases FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: revocations revocations_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER revocations_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.revocations FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: risk_assessments risk_assessments_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER risk_assessments_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.risk_assessments FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: route_snapshots route_snapshots_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER route_snapshots_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.route_snapshots FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: task_decisions task_decisions_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_decisions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.task_decisions FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: task_notes task_notes_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER task_notes_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.task_notes FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: value_entries value_entries_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER value_entries_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.value_entries FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: version_status_changes version_status_changes_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER version_status_changes_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.version_status_changes FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- Name: versions versions_append_only; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER versions_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.versions FOR EACH STATEMENT EXECUTE FUNCTION public.modelyard_append_only();


--
-- PostgreSQL database dump complete
--


