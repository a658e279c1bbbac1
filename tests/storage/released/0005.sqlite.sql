CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
CREATE TABLE alerts (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	monitor_id TEXT NOT NULL, 
	monitor TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	measure TEXT NOT NULL, 
	field TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	state TEXT NOT NULL, 
	live BOOLEAN NOT NULL, 
	severity TEXT NOT NULL, 
	version TEXT, 
	arm TEXT, 
	owner TEXT NOT NULL, 
	first_seen BIGINT NOT NULL, 
	last_seen BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX alerts_by_monitor_id ON alerts (monitor_id, organisation, created_at, id);
CREATE INDEX alerts_by_use_case ON alerts (use_case, organisation, created_at, id);
CREATE INDEX alerts_by_monitor ON alerts (monitor, organisation, created_at, id);
CREATE INDEX alerts_by_age ON alerts (organisation, created_at, id);
CREATE INDEX alerts_by_key ON alerts ("key", organisation, created_at, id);
CREATE INDEX alerts_by_version ON alerts (version, organisation, created_at, id);
CREATE INDEX alerts_by_live ON alerts (live, organisation, created_at, id);
CREATE INDEX alerts_by_field ON alerts (field, organisation, created_at, id);
CREATE INDEX alerts_by_state ON alerts (state, organisation, created_at, id);
CREATE INDEX alerts_by_owner ON alerts (owner, organisation, created_at, id);
CREATE INDEX alerts_by_arm ON alerts (arm, organisation, created_at, id);
CREATE INDEX alerts_by_endpoint ON alerts (endpoint, organisation, created_at, id);
CREATE INDEX alerts_by_severity ON alerts (severity, organisation, created_at, id);
CREATE INDEX alerts_by_last_seen ON alerts (last_seen, organisation, created_at, id);
CREATE INDEX alerts_by_measure ON alerts (measure, organisation, created_at, id);
CREATE INDEX alerts_by_first_seen ON alerts (first_seen, organisation, created_at, id);
CREATE VIRTUAL TABLE "alerts_words" USING fts5(words, content='alerts', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "alerts_words_added" AFTER INSERT ON "alerts" BEGIN INSERT INTO "alerts_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "alerts_words_removed" AFTER DELETE ON "alerts" BEGIN INSERT INTO "alerts_words" ("alerts_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "alerts_words_changed" AFTER UPDATE OF words ON "alerts" WHEN old.words <> new.words BEGIN INSERT INTO "alerts_words" ("alerts_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "alerts_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE annotations (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	version_id TEXT NOT NULL, 
	field TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX annotations_by_version_id ON annotations (version_id, organisation, created_at, id);
CREATE INDEX annotations_by_field ON annotations (field, organisation, created_at, id);
CREATE INDEX annotations_by_by ON annotations ("by", organisation, created_at, id);
CREATE INDEX annotations_by_age ON annotations (organisation, created_at, id);
CREATE TRIGGER "annotations_never_changed" BEFORE UPDATE ON "annotations" BEGIN SELECT RAISE(ABORT, 'append-only: annotations'); END;
CREATE TRIGGER "annotations_never_removed" BEFORE DELETE ON "annotations" BEGIN SELECT RAISE(ABORT, 'append-only: annotations'); END;
CREATE TABLE approval_decisions (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	approval TEXT NOT NULL, 
	approver TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT approval_decisions_one_approval_approver UNIQUE (approval, approver), 
	UNIQUE (id)
);
CREATE INDEX approval_decisions_by_approver ON approval_decisions (approver, organisation, created_at, id);
CREATE INDEX approval_decisions_by_approval ON approval_decisions (approval, organisation, created_at, id);
CREATE INDEX approval_decisions_by_age ON approval_decisions (organisation, created_at, id);
CREATE VIRTUAL TABLE "approval_decisions_words" USING fts5(words, content='approval_decisions', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "approval_decisions_words_added" AFTER INSERT ON "approval_decisions" BEGIN INSERT INTO "approval_decisions_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "approval_decisions_words_removed" AFTER DELETE ON "approval_decisions" BEGIN INSERT INTO "approval_decisions_words" ("approval_decisions_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "approval_decisions_words_changed" AFTER UPDATE OF words ON "approval_decisions" WHEN old.words <> new.words BEGIN INSERT INTO "approval_decisions_words" ("approval_decisions_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "approval_decisions_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "approval_decisions_never_changed" BEFORE UPDATE ON "approval_decisions" BEGIN SELECT RAISE(ABORT, 'append-only: approval_decisions'); END;
CREATE TRIGGER "approval_decisions_never_removed" BEFORE DELETE ON "approval_decisions" BEGIN SELECT RAISE(ABORT, 'append-only: approval_decisions'); END;
CREATE TABLE approvals (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	subject_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	requester TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX approvals_by_subject_id ON approvals (subject_id, organisation, created_at, id);
CREATE INDEX approvals_by_tier ON approvals (tier, organisation, created_at, id);
CREATE INDEX approvals_by_requester ON approvals (requester, organisation, created_at, id);
CREATE INDEX approvals_by_expires_at ON approvals (expires_at, organisation, created_at, id);
CREATE INDEX approvals_by_status ON approvals (status, organisation, created_at, id);
CREATE INDEX approvals_by_age ON approvals (organisation, created_at, id);
CREATE VIRTUAL TABLE "approvals_words" USING fts5(words, content='approvals', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "approvals_words_added" AFTER INSERT ON "approvals" BEGIN INSERT INTO "approvals_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "approvals_words_removed" AFTER DELETE ON "approvals" BEGIN INSERT INTO "approvals_words" ("approvals_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "approvals_words_changed" AFTER UPDATE OF words ON "approvals" WHEN old.words <> new.words BEGIN INSERT INTO "approvals_words" ("approvals_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "approvals_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE audit (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	subject_type TEXT NOT NULL, 
	subject_id TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX audit_by_action ON audit (action, organisation, created_at, id);
CREATE INDEX audit_by_outcome ON audit (outcome, organisation, created_at, id);
CREATE INDEX audit_by_age ON audit (organisation, created_at, id);
CREATE INDEX audit_by_actor ON audit (actor, organisation, created_at, id);
CREATE INDEX audit_by_subject_type ON audit (subject_type, organisation, created_at, id);
CREATE INDEX audit_by_subject_id ON audit (subject_id, organisation, created_at, id);
CREATE VIRTUAL TABLE "audit_words" USING fts5(words, content='audit', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "audit_words_added" AFTER INSERT ON "audit" BEGIN INSERT INTO "audit_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "audit_words_removed" AFTER DELETE ON "audit" BEGIN INSERT INTO "audit_words" ("audit_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "audit_words_changed" AFTER UPDATE OF words ON "audit" WHEN old.words <> new.words BEGIN INSERT INTO "audit_words" ("audit_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "audit_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "audit_never_changed" BEFORE UPDATE ON "audit" BEGIN SELECT RAISE(ABORT, 'append-only: audit'); END;
CREATE TRIGGER "audit_never_removed" BEFORE DELETE ON "audit" BEGIN SELECT RAISE(ABORT, 'append-only: audit'); END;
CREATE TABLE audit_head (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX audit_head_by_age ON audit_head (organisation, created_at, id);
CREATE TABLE audit_leaves (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	position BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT audit_leaves_one_position UNIQUE (position)
);
CREATE INDEX audit_leaves_by_position ON audit_leaves (position, organisation, created_at, id);
CREATE INDEX audit_leaves_by_age ON audit_leaves (organisation, created_at, id);
CREATE TRIGGER "audit_leaves_never_changed" BEFORE UPDATE ON "audit_leaves" BEGIN SELECT RAISE(ABORT, 'append-only: audit_leaves'); END;
CREATE TRIGGER "audit_leaves_never_removed" BEFORE DELETE ON "audit_leaves" BEGIN SELECT RAISE(ABORT, 'append-only: audit_leaves'); END;
CREATE TABLE audit_pending (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX audit_pending_by_age ON audit_pending (organisation, created_at, id);
CREATE TABLE deployments (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	endpoint TEXT NOT NULL, 
	action TEXT NOT NULL, 
	epoch BIGINT NOT NULL, 
	actor TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX deployments_by_epoch ON deployments (epoch, organisation, created_at, id);
CREATE INDEX deployments_by_actor ON deployments (actor, organisation, created_at, id);
CREATE INDEX deployments_by_action ON deployments (action, organisation, created_at, id);
CREATE INDEX deployments_by_age ON deployments (organisation, created_at, id);
CREATE INDEX deployments_by_endpoint ON deployments (endpoint, organisation, created_at, id);
CREATE VIRTUAL TABLE "deployments_words" USING fts5(words, content='deployments', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "deployments_words_added" AFTER INSERT ON "deployments" BEGIN INSERT INTO "deployments_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "deployments_words_removed" AFTER DELETE ON "deployments" BEGIN INSERT INTO "deployments_words" ("deployments_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "deployments_words_changed" AFTER UPDATE OF words ON "deployments" WHEN old.words <> new.words BEGIN INSERT INTO "deployments_words" ("deployments_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "deployments_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "deployments_never_changed" BEFORE UPDATE ON "deployments" BEGIN SELECT RAISE(ABORT, 'append-only: deployments'); END;
CREATE TRIGGER "deployments_never_removed" BEFORE DELETE ON "deployments" BEGIN SELECT RAISE(ABORT, 'append-only: deployments'); END;
CREATE TABLE endpoints (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT endpoints_one_organisation_name UNIQUE (organisation, name), 
	UNIQUE (id)
);
CREATE INDEX endpoints_by_name ON endpoints (name, organisation, created_at, id);
CREATE INDEX endpoints_by_use_case ON endpoints (use_case, organisation, created_at, id);
CREATE INDEX endpoints_by_stage ON endpoints (stage, organisation, created_at, id);
CREATE INDEX endpoints_by_age ON endpoints (organisation, created_at, id);
CREATE INDEX endpoints_by_tier ON endpoints (tier, organisation, created_at, id);
CREATE VIRTUAL TABLE "endpoints_words" USING fts5(words, content='endpoints', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "endpoints_words_added" AFTER INSERT ON "endpoints" BEGIN INSERT INTO "endpoints_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "endpoints_words_removed" AFTER DELETE ON "endpoints" BEGIN INSERT INTO "endpoints_words" ("endpoints_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "endpoints_words_changed" AFTER UPDATE OF words ON "endpoints" WHEN old.words <> new.words BEGIN INSERT INTO "endpoints_words" ("endpoints_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "endpoints_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE events (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	type TEXT NOT NULL, 
	aggregate_type TEXT NOT NULL, 
	aggregate_id TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX events_by_aggregate_type ON events (aggregate_type, organisation, created_at, id);
CREATE INDEX events_by_type ON events (type, organisation, created_at, id);
CREATE INDEX events_by_actor ON events (actor, organisation, created_at, id);
CREATE INDEX events_by_aggregate_id ON events (aggregate_id, organisation, created_at, id);
CREATE INDEX events_by_age ON events (organisation, created_at, id);
CREATE TRIGGER "events_never_changed" BEFORE UPDATE ON "events" BEGIN SELECT RAISE(ABORT, 'append-only: events'); END;
CREATE TRIGGER "events_never_removed" BEFORE DELETE ON "events" BEGIN SELECT RAISE(ABORT, 'append-only: events'); END;
CREATE TABLE evidence (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	type TEXT NOT NULL, 
	version TEXT NOT NULL, 
	manifest TEXT NOT NULL, 
	produced_by TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX evidence_by_type ON evidence (type, organisation, created_at, id);
CREATE INDEX evidence_by_age ON evidence (organisation, created_at, id);
CREATE INDEX evidence_by_version ON evidence (version, organisation, created_at, id);
CREATE INDEX evidence_by_produced_by ON evidence (produced_by, organisation, created_at, id);
CREATE INDEX evidence_by_manifest ON evidence (manifest, organisation, created_at, id);
CREATE VIRTUAL TABLE "evidence_words" USING fts5(words, content='evidence', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "evidence_words_added" AFTER INSERT ON "evidence" BEGIN INSERT INTO "evidence_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "evidence_words_removed" AFTER DELETE ON "evidence" BEGIN INSERT INTO "evidence_words" ("evidence_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "evidence_words_changed" AFTER UPDATE OF words ON "evidence" WHEN old.words <> new.words BEGIN INSERT INTO "evidence_words" ("evidence_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "evidence_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "evidence_never_changed" BEFORE UPDATE ON "evidence" BEGIN SELECT RAISE(ABORT, 'append-only: evidence'); END;
CREATE TRIGGER "evidence_never_removed" BEFORE DELETE ON "evidence" BEGIN SELECT RAISE(ABORT, 'append-only: evidence'); END;
CREATE TABLE gates (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	to_stage TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT gates_one_organisation_name_number UNIQUE (organisation, name, number), 
	UNIQUE (id)
);
CREATE INDEX gates_by_age ON gates (organisation, created_at, id);
CREATE INDEX gates_by_number ON gates (number, organisation, created_at, id);
CREATE INDEX gates_by_name ON gates (name, organisation, created_at, id);
CREATE INDEX gates_by_to_stage ON gates (to_stage, organisation, created_at, id);
CREATE VIRTUAL TABLE "gates_words" USING fts5(words, content='gates', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "gates_words_added" AFTER INSERT ON "gates" BEGIN INSERT INTO "gates_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "gates_words_removed" AFTER DELETE ON "gates" BEGIN INSERT INTO "gates_words" ("gates_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "gates_words_changed" AFTER UPDATE OF words ON "gates" WHEN old.words <> new.words BEGIN INSERT INTO "gates_words" ("gates_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "gates_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "gates_never_changed" BEFORE UPDATE ON "gates" BEGIN SELECT RAISE(ABORT, 'append-only: gates'); END;
CREATE TRIGGER "gates_never_removed" BEFORE DELETE ON "gates" BEGIN SELECT RAISE(ABORT, 'append-only: gates'); END;
CREATE TABLE idempotency (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX idempotency_by_age ON idempotency (organisation, created_at, id);
CREATE TRIGGER "idempotency_never_changed" BEFORE UPDATE ON "idempotency" BEGIN SELECT RAISE(ABORT, 'append-only: idempotency'); END;
CREATE TRIGGER "idempotency_never_removed" BEFORE DELETE ON "idempotency" BEGIN SELECT RAISE(ABORT, 'append-only: idempotency'); END;
CREATE TABLE identities (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	active BOOLEAN NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT identities_one_organisation_name UNIQUE (organisation, name), 
	UNIQUE (id)
);
CREATE INDEX identities_by_age ON identities (organisation, created_at, id);
CREATE INDEX identities_by_kind ON identities (kind, organisation, created_at, id);
CREATE INDEX identities_by_name ON identities (name, organisation, created_at, id);
CREATE INDEX identities_by_active ON identities (active, organisation, created_at, id);
CREATE VIRTUAL TABLE "identities_words" USING fts5(words, content='identities', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "identities_words_added" AFTER INSERT ON "identities" BEGIN INSERT INTO "identities_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "identities_words_removed" AFTER DELETE ON "identities" BEGIN INSERT INTO "identities_words" ("identities_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "identities_words_changed" AFTER UPDATE OF words ON "identities" WHEN old.words <> new.words BEGIN INSERT INTO "identities_words" ("identities_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "identities_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE inbox (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	consumer TEXT NOT NULL, 
	event_id TEXT NOT NULL, 
	event_type TEXT NOT NULL, 
	aggregate TEXT NOT NULL, 
	position BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	not_before BIGINT NOT NULL, 
	lease_until BIGINT, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT inbox_one_consumer_event_id UNIQUE (consumer, event_id)
);
CREATE INDEX inbox_by_event_id ON inbox (event_id, organisation, created_at, id);
CREATE INDEX inbox_by_aggregate ON inbox (aggregate, organisation, created_at, id);
CREATE INDEX inbox_by_not_before ON inbox (not_before, organisation, created_at, id);
CREATE INDEX inbox_by_state ON inbox (state, organisation, created_at, id);
CREATE INDEX inbox_by_position ON inbox (position, organisation, created_at, id);
CREATE INDEX inbox_by_event_type ON inbox (event_type, organisation, created_at, id);
CREATE INDEX inbox_by_consumer ON inbox (consumer, organisation, created_at, id);
CREATE INDEX inbox_by_age ON inbox (organisation, created_at, id);
CREATE INDEX inbox_by_lease_until ON inbox (lease_until, organisation, created_at, id);
CREATE TABLE jobs (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	state TEXT NOT NULL, 
	rank BIGINT, 
	not_before BIGINT NOT NULL, 
	lease_until BIGINT, 
	worker TEXT, 
	enqueued_by TEXT NOT NULL, 
	"key" TEXT, 
	active_key TEXT, 
	body TEXT NOT NULL, lane TEXT, occupies TEXT, resource TEXT, 
	PRIMARY KEY (id), 
	CONSTRAINT jobs_one_organisation_active_key UNIQUE (organisation, active_key)
);
CREATE INDEX jobs_by_age ON jobs (organisation, created_at, id);
CREATE INDEX jobs_by_kind ON jobs (kind, organisation, created_at, id);
CREATE INDEX jobs_by_enqueued_by ON jobs (enqueued_by, organisation, created_at, id);
CREATE INDEX jobs_by_key ON jobs ("key", organisation, created_at, id);
CREATE INDEX jobs_by_not_before ON jobs (not_before, organisation, created_at, id);
CREATE INDEX jobs_by_lease_until ON jobs (lease_until, organisation, created_at, id);
CREATE INDEX jobs_by_worker ON jobs (worker, organisation, created_at, id);
CREATE INDEX jobs_by_active_key ON jobs (active_key, organisation, created_at, id);
CREATE INDEX jobs_by_rank ON jobs (rank, organisation, created_at, id);
CREATE INDEX jobs_by_state ON jobs (state, organisation, created_at, id);
CREATE TABLE leases (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX leases_by_age ON leases (organisation, created_at, id);
CREATE INDEX leases_by_until ON leases (until, organisation, created_at, id);
CREATE TABLE lineage (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	child TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT lineage_one_child_parent UNIQUE (child, parent)
);
CREATE INDEX lineage_by_age ON lineage (organisation, created_at, id);
CREATE INDEX lineage_by_child ON lineage (child, organisation, created_at, id);
CREATE INDEX lineage_by_parent ON lineage (parent, organisation, created_at, id);
CREATE TRIGGER "lineage_never_changed" BEFORE UPDATE ON "lineage" BEGIN SELECT RAISE(ABORT, 'append-only: lineage'); END;
CREATE TRIGGER "lineage_never_removed" BEFORE DELETE ON "lineage" BEGIN SELECT RAISE(ABORT, 'append-only: lineage'); END;
CREATE TABLE model_numbering (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX model_numbering_by_age ON model_numbering (organisation, created_at, id);
CREATE TABLE models (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	use_case_id TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	state TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT models_one_organisation_name UNIQUE (organisation, name), 
	UNIQUE (id)
);
CREATE INDEX models_by_name ON models (name, organisation, created_at, id);
CREATE INDEX models_by_use_case_id ON models (use_case_id, organisation, created_at, id);
CREATE INDEX models_by_age ON models (organisation, created_at, id);
CREATE INDEX models_by_owner ON models (owner, organisation, created_at, id);
CREATE INDEX models_by_state ON models (state, organisation, created_at, id);
CREATE INDEX models_by_kind ON models (kind, organisation, created_at, id);
CREATE INDEX models_by_use_case ON models (use_case, organisation, created_at, id);
CREATE VIRTUAL TABLE "models_words" USING fts5(words, content='models', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "models_words_added" AFTER INSERT ON "models" BEGIN INSERT INTO "models_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "models_words_removed" AFTER DELETE ON "models" BEGIN INSERT INTO "models_words" ("models_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "models_words_changed" AFTER UPDATE OF words ON "models" WHEN old.words <> new.words BEGIN INSERT INTO "models_words" ("models_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "models_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE monitor_runs (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	monitor_id TEXT NOT NULL, 
	monitor TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	window_from BIGINT NOT NULL, 
	window_to BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	version TEXT, 
	arm TEXT, 
	restates TEXT, 
	restatement BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT monitor_runs_one_monitor_id_window_from_restatement UNIQUE (monitor_id, window_from, restatement)
);
CREATE INDEX monitor_runs_by_monitor ON monitor_runs (monitor, organisation, created_at, id);
CREATE INDEX monitor_runs_by_monitor_id ON monitor_runs (monitor_id, organisation, created_at, id);
CREATE INDEX monitor_runs_by_version ON monitor_runs (version, organisation, created_at, id);
CREATE INDEX monitor_runs_by_age ON monitor_runs (organisation, created_at, id);
CREATE INDEX monitor_runs_by_endpoint ON monitor_runs (endpoint, organisation, created_at, id);
CREATE INDEX monitor_runs_by_restatement ON monitor_runs (restatement, organisation, created_at, id);
CREATE INDEX monitor_runs_by_status ON monitor_runs (status, organisation, created_at, id);
CREATE INDEX monitor_runs_by_window_to ON monitor_runs (window_to, organisation, created_at, id);
CREATE INDEX monitor_runs_by_arm ON monitor_runs (arm, organisation, created_at, id);
CREATE INDEX monitor_runs_by_use_case ON monitor_runs (use_case, organisation, created_at, id);
CREATE INDEX monitor_runs_by_restates ON monitor_runs (restates, organisation, created_at, id);
CREATE INDEX monitor_runs_by_window_from ON monitor_runs (window_from, organisation, created_at, id);
CREATE TRIGGER "monitor_runs_never_changed" BEFORE UPDATE ON "monitor_runs" BEGIN SELECT RAISE(ABORT, 'append-only: monitor_runs'); END;
CREATE TRIGGER "monitor_runs_never_removed" BEFORE DELETE ON "monitor_runs" BEGIN SELECT RAISE(ABORT, 'append-only: monitor_runs'); END;
CREATE TABLE monitors (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	version TEXT, 
	arm TEXT, 
	owner TEXT NOT NULL, 
	status TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT monitors_one_organisation_name UNIQUE (organisation, name), 
	UNIQUE (id)
);
CREATE INDEX monitors_by_endpoint ON monitors (endpoint, organisation, created_at, id);
CREATE INDEX monitors_by_age ON monitors (organisation, created_at, id);
CREATE INDEX monitors_by_use_case ON monitors (use_case, organisation, created_at, id);
CREATE INDEX monitors_by_arm ON monitors (arm, organisation, created_at, id);
CREATE INDEX monitors_by_owner ON monitors (owner, organisation, created_at, id);
CREATE INDEX monitors_by_version ON monitors (version, organisation, created_at, id);
CREATE INDEX monitors_by_status ON monitors (status, organisation, created_at, id);
CREATE INDEX monitors_by_name ON monitors (name, organisation, created_at, id);
CREATE VIRTUAL TABLE "monitors_words" USING fts5(words, content='monitors', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "monitors_words_added" AFTER INSERT ON "monitors" BEGIN INSERT INTO "monitors_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "monitors_words_removed" AFTER DELETE ON "monitors" BEGIN INSERT INTO "monitors_words" ("monitors_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "monitors_words_changed" AFTER UPDATE OF words ON "monitors" WHEN old.words <> new.words BEGIN INSERT INTO "monitors_words" ("monitors_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "monitors_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE outbox (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	type TEXT NOT NULL, 
	aggregate_id TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX outbox_by_aggregate_id ON outbox (aggregate_id, organisation, created_at, id);
CREATE INDEX outbox_by_age ON outbox (organisation, created_at, id);
CREATE INDEX outbox_by_type ON outbox (type, organisation, created_at, id);
CREATE TABLE outbox_position (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX outbox_position_by_age ON outbox_position (organisation, created_at, id);
CREATE TABLE policy_sets (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	number BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	text_digest TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT policy_sets_one_number UNIQUE (number), 
	UNIQUE (id)
);
CREATE INDEX policy_sets_by_age ON policy_sets (organisation, created_at, id);
CREATE INDEX policy_sets_by_number ON policy_sets (number, organisation, created_at, id);
CREATE INDEX policy_sets_by_text_digest ON policy_sets (text_digest, organisation, created_at, id);
CREATE INDEX policy_sets_by_state ON policy_sets (state, organisation, created_at, id);
CREATE VIRTUAL TABLE "policy_sets_words" USING fts5(words, content='policy_sets', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "policy_sets_words_added" AFTER INSERT ON "policy_sets" BEGIN INSERT INTO "policy_sets_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "policy_sets_words_removed" AFTER DELETE ON "policy_sets" BEGIN INSERT INTO "policy_sets_words" ("policy_sets_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "policy_sets_words_changed" AFTER UPDATE OF words ON "policy_sets" WHEN old.words <> new.words BEGIN INSERT INTO "policy_sets_words" ("policy_sets_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "policy_sets_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE releases (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	version TEXT NOT NULL, 
	model TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	payload TEXT NOT NULL, 
	approval TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	until BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT releases_one_organisation_payload UNIQUE (organisation, payload)
);
CREATE INDEX releases_by_version ON releases (version, organisation, created_at, id);
CREATE INDEX releases_by_until ON releases (until, organisation, created_at, id);
CREATE INDEX releases_by_approval ON releases (approval, organisation, created_at, id);
CREATE INDEX releases_by_age ON releases (organisation, created_at, id);
CREATE INDEX releases_by_model ON releases (model, organisation, created_at, id);
CREATE INDEX releases_by_key_id ON releases (key_id, organisation, created_at, id);
CREATE INDEX releases_by_payload ON releases (payload, organisation, created_at, id);
CREATE INDEX releases_by_stage ON releases (stage, organisation, created_at, id);
CREATE INDEX releases_by_use_case ON releases (use_case, organisation, created_at, id);
CREATE TRIGGER "releases_never_changed" BEFORE UPDATE ON "releases" BEGIN SELECT RAISE(ABORT, 'append-only: releases'); END;
CREATE TRIGGER "releases_never_removed" BEFORE DELETE ON "releases" BEGIN SELECT RAISE(ABORT, 'append-only: releases'); END;
CREATE TABLE revocations (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	payload TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX revocations_by_age ON revocations (organisation, created_at, id);
CREATE INDEX revocations_by_payload ON revocations (payload, organisation, created_at, id);
CREATE TRIGGER "revocations_never_changed" BEFORE UPDATE ON "revocations" BEGIN SELECT RAISE(ABORT, 'append-only: revocations'); END;
CREATE TRIGGER "revocations_never_removed" BEFORE DELETE ON "revocations" BEGIN SELECT RAISE(ABORT, 'append-only: revocations'); END;
CREATE TABLE role_grants (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	identity TEXT NOT NULL, 
	role TEXT NOT NULL, 
	revoked_at BIGINT, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX role_grants_by_role ON role_grants (role, organisation, created_at, id);
CREATE INDEX role_grants_by_age ON role_grants (organisation, created_at, id);
CREATE INDEX role_grants_by_identity ON role_grants (identity, organisation, created_at, id);
CREATE INDEX role_grants_by_revoked_at ON role_grants (revoked_at, organisation, created_at, id);
CREATE TABLE route_snapshots (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	epoch BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT route_snapshots_one_organisation_epoch UNIQUE (organisation, epoch)
);
CREATE INDEX route_snapshots_by_epoch ON route_snapshots (epoch, organisation, created_at, id);
CREATE INDEX route_snapshots_by_age ON route_snapshots (organisation, created_at, id);
CREATE TRIGGER "route_snapshots_never_changed" BEFORE UPDATE ON "route_snapshots" BEGIN SELECT RAISE(ABORT, 'append-only: route_snapshots'); END;
CREATE TRIGGER "route_snapshots_never_removed" BEFORE DELETE ON "route_snapshots" BEGIN SELECT RAISE(ABORT, 'append-only: route_snapshots'); END;
CREATE TABLE schedules (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	next_due BIGINT, 
	kind TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT schedules_one_organisation_name UNIQUE (organisation, name)
);
CREATE INDEX schedules_by_age ON schedules (organisation, created_at, id);
CREATE INDEX schedules_by_name ON schedules (name, organisation, created_at, id);
CREATE INDEX schedules_by_kind ON schedules (kind, organisation, created_at, id);
CREATE INDEX schedules_by_next_due ON schedules (next_due, organisation, created_at, id);
CREATE TABLE signing_keys (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX signing_keys_by_age ON signing_keys (organisation, created_at, id);
CREATE INDEX signing_keys_by_status ON signing_keys (status, organisation, created_at, id);
CREATE TABLE tokens (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	identity TEXT NOT NULL, 
	name TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	expires_at BIGINT NOT NULL, 
	revoked_at BIGINT, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT tokens_one_key UNIQUE ("key")
);
CREATE INDEX tokens_by_revoked_at ON tokens (revoked_at, organisation, created_at, id);
CREATE INDEX tokens_by_expires_at ON tokens (expires_at, organisation, created_at, id);
CREATE INDEX tokens_by_age ON tokens (organisation, created_at, id);
CREATE INDEX tokens_by_key ON tokens ("key", organisation, created_at, id);
CREATE INDEX tokens_by_identity ON tokens (identity, organisation, created_at, id);
CREATE INDEX tokens_by_name ON tokens (name, organisation, created_at, id);
CREATE TABLE use_cases (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	tier TEXT, 
	business_owner TEXT NOT NULL, 
	regulatory_class TEXT, 
	review_at BIGINT, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT use_cases_one_organisation_name UNIQUE (organisation, name), 
	UNIQUE (id)
);
CREATE INDEX use_cases_by_age ON use_cases (organisation, created_at, id);
CREATE INDEX use_cases_by_name ON use_cases (name, organisation, created_at, id);
CREATE INDEX use_cases_by_regulatory_class ON use_cases (regulatory_class, organisation, created_at, id);
CREATE INDEX use_cases_by_tier ON use_cases (tier, organisation, created_at, id);
CREATE INDEX use_cases_by_business_owner ON use_cases (business_owner, organisation, created_at, id);
CREATE INDEX use_cases_by_review_at ON use_cases (review_at, organisation, created_at, id);
CREATE VIRTUAL TABLE "use_cases_words" USING fts5(words, content='use_cases', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "use_cases_words_added" AFTER INSERT ON "use_cases" BEGIN INSERT INTO "use_cases_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "use_cases_words_removed" AFTER DELETE ON "use_cases" BEGIN INSERT INTO "use_cases_words" ("use_cases_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "use_cases_words_changed" AFTER UPDATE OF words ON "use_cases" WHEN old.words <> new.words BEGIN INSERT INTO "use_cases_words" ("use_cases_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "use_cases_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE value_entries (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	use_case TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	version TEXT NOT NULL, 
	period_from BIGINT NOT NULL, 
	period_to BIGINT NOT NULL, 
	currency TEXT NOT NULL, 
	restates TEXT, 
	restatement BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT value_entries_one_organisation_use_case_endpoint_versi_7518c31e UNIQUE (organisation, use_case, endpoint, version, period_from, restatement)
);
CREATE INDEX value_entries_by_restatement ON value_entries (restatement, organisation, created_at, id);
CREATE INDEX value_entries_by_period_from ON value_entries (period_from, organisation, created_at, id);
CREATE INDEX value_entries_by_version ON value_entries (version, organisation, created_at, id);
CREATE INDEX value_entries_by_endpoint ON value_entries (endpoint, organisation, created_at, id);
CREATE INDEX value_entries_by_restates ON value_entries (restates, organisation, created_at, id);
CREATE INDEX value_entries_by_use_case ON value_entries (use_case, organisation, created_at, id);
CREATE INDEX value_entries_by_age ON value_entries (organisation, created_at, id);
CREATE INDEX value_entries_by_currency ON value_entries (currency, organisation, created_at, id);
CREATE INDEX value_entries_by_period_to ON value_entries (period_to, organisation, created_at, id);
CREATE TRIGGER "value_entries_never_changed" BEFORE UPDATE ON "value_entries" BEGIN SELECT RAISE(ABORT, 'append-only: value_entries'); END;
CREATE TRIGGER "value_entries_never_removed" BEFORE DELETE ON "value_entries" BEGIN SELECT RAISE(ABORT, 'append-only: value_entries'); END;
CREATE TABLE version_states (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	model_id TEXT NOT NULL, 
	model TEXT NOT NULL, 
	use_case_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	format TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	manifest_digest TEXT NOT NULL, 
	developer TEXT NOT NULL, 
	status TEXT NOT NULL, 
	stage TEXT NOT NULL, 
	status_since BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT version_states_one_model_id_number UNIQUE (model_id, number), 
	UNIQUE (id)
);
CREATE INDEX version_states_by_number ON version_states (number, organisation, created_at, id);
CREATE INDEX version_states_by_developer ON version_states (developer, organisation, created_at, id);
CREATE INDEX version_states_by_status_since ON version_states (status_since, organisation, created_at, id);
CREATE INDEX version_states_by_model_id ON version_states (model_id, organisation, created_at, id);
CREATE INDEX version_states_by_use_case_id ON version_states (use_case_id, organisation, created_at, id);
CREATE INDEX version_states_by_stage ON version_states (stage, organisation, created_at, id);
CREATE INDEX version_states_by_age ON version_states (organisation, created_at, id);
CREATE INDEX version_states_by_kind ON version_states (kind, organisation, created_at, id);
CREATE INDEX version_states_by_format ON version_states (format, organisation, created_at, id);
CREATE INDEX version_states_by_manifest_digest ON version_states (manifest_digest, organisation, created_at, id);
CREATE INDEX version_states_by_model ON version_states (model, organisation, created_at, id);
CREATE INDEX version_states_by_status ON version_states (status, organisation, created_at, id);
CREATE VIRTUAL TABLE "version_states_words" USING fts5(words, content='version_states', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "version_states_words_added" AFTER INSERT ON "version_states" BEGIN INSERT INTO "version_states_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "version_states_words_removed" AFTER DELETE ON "version_states" BEGIN INSERT INTO "version_states_words" ("version_states_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "version_states_words_changed" AFTER UPDATE OF words ON "version_states" WHEN old.words <> new.words BEGIN INSERT INTO "version_states_words" ("version_states_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "version_states_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE version_status_changes (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	version_id TEXT NOT NULL, 
	model_id TEXT NOT NULL, 
	status TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX version_status_changes_by_model_id ON version_status_changes (model_id, organisation, created_at, id);
CREATE INDEX version_status_changes_by_status ON version_status_changes (status, organisation, created_at, id);
CREATE INDEX version_status_changes_by_age ON version_status_changes (organisation, created_at, id);
CREATE INDEX version_status_changes_by_version_id ON version_status_changes (version_id, organisation, created_at, id);
CREATE TRIGGER "version_status_changes_never_changed" BEFORE UPDATE ON "version_status_changes" BEGIN SELECT RAISE(ABORT, 'append-only: version_status_changes'); END;
CREATE TRIGGER "version_status_changes_never_removed" BEFORE DELETE ON "version_status_changes" BEGIN SELECT RAISE(ABORT, 'append-only: version_status_changes'); END;
CREATE TABLE versions (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	model_id TEXT NOT NULL, 
	model TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	manifest_digest TEXT NOT NULL, 
	developer TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT versions_one_model_id_number UNIQUE (model_id, number), 
	CONSTRAINT versions_one_model_id_manifest_digest UNIQUE (model_id, manifest_digest)
);
CREATE INDEX versions_by_developer ON versions (developer, organisation, created_at, id);
CREATE INDEX versions_by_model_id ON versions (model_id, organisation, created_at, id);
CREATE INDEX versions_by_manifest_digest ON versions (manifest_digest, organisation, created_at, id);
CREATE INDEX versions_by_age ON versions (organisation, created_at, id);
CREATE INDEX versions_by_model ON versions (model, organisation, created_at, id);
CREATE INDEX versions_by_number ON versions (number, organisation, created_at, id);
CREATE TRIGGER "versions_never_changed" BEFORE UPDATE ON "versions" BEGIN SELECT RAISE(ABORT, 'append-only: versions'); END;
CREATE TRIGGER "versions_never_removed" BEFORE DELETE ON "versions" BEGIN SELECT RAISE(ABORT, 'append-only: versions'); END;
CREATE TABLE risk_assessments (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	use_case_id TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	tier TEXT NOT NULL, 
	assessor TEXT NOT NULL, 
	next_review BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX risk_assessments_by_tier ON risk_assessments (tier, organisation, created_at, id);
CREATE INDEX risk_assessments_by_use_case_id ON risk_assessments (use_case_id, organisation, created_at, id);
CREATE INDEX risk_assessments_by_use_case ON risk_assessments (use_case, organisation, created_at, id);
CREATE INDEX risk_assessments_by_next_review ON risk_assessments (next_review, organisation, created_at, id);
CREATE INDEX risk_assessments_by_age ON risk_assessments (organisation, created_at, id);
CREATE INDEX risk_assessments_by_assessor ON risk_assessments (assessor, organisation, created_at, id);
CREATE TRIGGER "risk_assessments_never_changed" BEFORE UPDATE ON "risk_assessments" BEGIN SELECT RAISE(ABORT, 'append-only: risk_assessments'); END;
CREATE TRIGGER "risk_assessments_never_removed" BEFORE DELETE ON "risk_assessments" BEGIN SELECT RAISE(ABORT, 'append-only: risk_assessments'); END;
CREATE TABLE job_artifacts (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	job TEXT NOT NULL, 
	attempt BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	blob TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT job_artifacts_one_job_attempt_name UNIQUE (job, attempt, name)
);
CREATE INDEX job_artifacts_by_job ON job_artifacts (job, organisation, created_at, id);
CREATE INDEX job_artifacts_by_blob ON job_artifacts (blob, organisation, created_at, id);
CREATE INDEX job_artifacts_by_attempt ON job_artifacts (attempt, organisation, created_at, id);
CREATE INDEX job_artifacts_by_name ON job_artifacts (name, organisation, created_at, id);
CREATE INDEX job_artifacts_by_age ON job_artifacts (organisation, created_at, id);
CREATE TRIGGER "job_artifacts_never_changed" BEFORE UPDATE ON "job_artifacts" BEGIN SELECT RAISE(ABORT, 'append-only: job_artifacts'); END;
CREATE TRIGGER "job_artifacts_never_removed" BEFORE DELETE ON "job_artifacts" BEGIN SELECT RAISE(ABORT, 'append-only: job_artifacts'); END;
CREATE TABLE job_logs (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX job_logs_by_age ON job_logs (organisation, created_at, id);
CREATE TRIGGER "job_logs_never_changed" BEFORE UPDATE ON "job_logs" BEGIN SELECT RAISE(ABORT, 'append-only: job_logs'); END;
CREATE TRIGGER "job_logs_never_removed" BEFORE DELETE ON "job_logs" BEGIN SELECT RAISE(ABORT, 'append-only: job_logs'); END;
CREATE TABLE resource_limits (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT resource_limits_one_organisation_name UNIQUE (organisation, name)
);
CREATE INDEX resource_limits_by_name ON resource_limits (name, organisation, created_at, id);
CREATE INDEX resource_limits_by_age ON resource_limits (organisation, created_at, id);
CREATE INDEX jobs_by_lane ON jobs (lane, organisation, created_at, id);
CREATE INDEX jobs_by_occupies ON jobs (occupies, organisation, created_at, id);
CREATE INDEX jobs_by_resource ON jobs (resource, organisation, created_at, id);
CREATE TABLE process_definitions (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	"key" TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	source TEXT NOT NULL, 
	bundle TEXT NOT NULL, 
	proposed_by TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT process_definitions_one_organisation_key_number UNIQUE (organisation, "key", number), 
	UNIQUE (id)
);
CREATE INDEX process_definitions_by_source ON process_definitions (source, organisation, created_at, id);
CREATE INDEX process_definitions_by_age ON process_definitions (organisation, created_at, id);
CREATE INDEX process_definitions_by_key ON process_definitions ("key", organisation, created_at, id);
CREATE INDEX process_definitions_by_proposed_by ON process_definitions (proposed_by, organisation, created_at, id);
CREATE INDEX process_definitions_by_number ON process_definitions (number, organisation, created_at, id);
CREATE INDEX process_definitions_by_bundle ON process_definitions (bundle, organisation, created_at, id);
CREATE INDEX process_definitions_by_status ON process_definitions (status, organisation, created_at, id);
CREATE VIRTUAL TABLE "process_definitions_words" USING fts5(words, content='process_definitions', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "process_definitions_words_added" AFTER INSERT ON "process_definitions" BEGIN INSERT INTO "process_definitions_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "process_definitions_words_removed" AFTER DELETE ON "process_definitions" BEGIN INSERT INTO "process_definitions_words" ("process_definitions_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "process_definitions_words_changed" AFTER UPDATE OF words ON "process_definitions" WHEN old.words <> new.words BEGIN INSERT INTO "process_definitions_words" ("process_definitions_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "process_definitions_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE process_incidents (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT NOT NULL, 
	process TEXT NOT NULL, 
	element TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	status TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX process_incidents_by_element ON process_incidents (element, organisation, created_at, id);
CREATE INDEX process_incidents_by_age ON process_incidents (organisation, created_at, id);
CREATE INDEX process_incidents_by_status ON process_incidents (status, organisation, created_at, id);
CREATE INDEX process_incidents_by_cause ON process_incidents (cause, organisation, created_at, id);
CREATE INDEX process_incidents_by_process ON process_incidents (process, organisation, created_at, id);
CREATE INDEX process_incidents_by_instance ON process_incidents (instance, organisation, created_at, id);
CREATE VIRTUAL TABLE "process_incidents_words" USING fts5(words, content='process_incidents', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "process_incidents_words_added" AFTER INSERT ON "process_incidents" BEGIN INSERT INTO "process_incidents_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "process_incidents_words_removed" AFTER DELETE ON "process_incidents" BEGIN INSERT INTO "process_incidents_words" ("process_incidents_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "process_incidents_words_changed" AFTER UPDATE OF words ON "process_incidents" WHEN old.words <> new.words BEGIN INSERT INTO "process_incidents_words" ("process_incidents_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "process_incidents_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE process_instances (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	process TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	definition TEXT NOT NULL, 
	about TEXT, 
	use_case TEXT, 
	status TEXT NOT NULL, 
	health TEXT NOT NULL, 
	started_by TEXT NOT NULL, 
	parent TEXT, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX process_instances_by_about ON process_instances (about, organisation, created_at, id);
CREATE INDEX process_instances_by_parent ON process_instances (parent, organisation, created_at, id);
CREATE INDEX process_instances_by_definition ON process_instances (definition, organisation, created_at, id);
CREATE INDEX process_instances_by_status ON process_instances (status, organisation, created_at, id);
CREATE INDEX process_instances_by_age ON process_instances (organisation, created_at, id);
CREATE INDEX process_instances_by_use_case ON process_instances (use_case, organisation, created_at, id);
CREATE INDEX process_instances_by_health ON process_instances (health, organisation, created_at, id);
CREATE INDEX process_instances_by_started_by ON process_instances (started_by, organisation, created_at, id);
CREATE INDEX process_instances_by_process ON process_instances (process, organisation, created_at, id);
CREATE INDEX process_instances_by_number ON process_instances (number, organisation, created_at, id);
CREATE VIRTUAL TABLE "process_instances_words" USING fts5(words, content='process_instances', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "process_instances_words_added" AFTER INSERT ON "process_instances" BEGIN INSERT INTO "process_instances_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "process_instances_words_removed" AFTER DELETE ON "process_instances" BEGIN INSERT INTO "process_instances_words" ("process_instances_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "process_instances_words_changed" AFTER UPDATE OF words ON "process_instances" WHEN old.words <> new.words BEGIN INSERT INTO "process_instances_words" ("process_instances_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "process_instances_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE process_messages (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	"key" TEXT, 
	expires_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX process_messages_by_age ON process_messages (organisation, created_at, id);
CREATE INDEX process_messages_by_expires_at ON process_messages (expires_at, organisation, created_at, id);
CREATE INDEX process_messages_by_key ON process_messages ("key", organisation, created_at, id);
CREATE INDEX process_messages_by_name ON process_messages (name, organisation, created_at, id);
CREATE TABLE process_sources (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	digest_of_source TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT process_sources_one_organisation_digest_of_source UNIQUE (organisation, digest_of_source)
);
CREATE INDEX process_sources_by_digest_of_source ON process_sources (digest_of_source, organisation, created_at, id);
CREATE INDEX process_sources_by_age ON process_sources (organisation, created_at, id);
CREATE TRIGGER "process_sources_never_changed" BEFORE UPDATE ON "process_sources" BEGIN SELECT RAISE(ABORT, 'append-only: process_sources'); END;
CREATE TRIGGER "process_sources_never_removed" BEFORE DELETE ON "process_sources" BEGIN SELECT RAISE(ABORT, 'append-only: process_sources'); END;
CREATE TABLE process_stays (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT NOT NULL, 
	process TEXT NOT NULL, 
	element TEXT NOT NULL, 
	role TEXT NOT NULL, 
	use_case TEXT, 
	entered_at BIGINT NOT NULL, 
	left_at BIGINT, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX process_stays_by_use_case ON process_stays (use_case, organisation, created_at, id);
CREATE INDEX process_stays_by_role ON process_stays (role, organisation, created_at, id);
CREATE INDEX process_stays_by_age ON process_stays (organisation, created_at, id);
CREATE INDEX process_stays_by_entered_at ON process_stays (entered_at, organisation, created_at, id);
CREATE INDEX process_stays_by_left_at ON process_stays (left_at, organisation, created_at, id);
CREATE INDEX process_stays_by_process ON process_stays (process, organisation, created_at, id);
CREATE INDEX process_stays_by_element ON process_stays (element, organisation, created_at, id);
CREATE INDEX process_stays_by_instance ON process_stays (instance, organisation, created_at, id);
CREATE TABLE process_steps (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT NOT NULL, 
	number BIGINT NOT NULL, 
	event TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX process_steps_by_instance ON process_steps (instance, organisation, created_at, id);
CREATE INDEX process_steps_by_by ON process_steps ("by", organisation, created_at, id);
CREATE INDEX process_steps_by_number ON process_steps (number, organisation, created_at, id);
CREATE INDEX process_steps_by_age ON process_steps (organisation, created_at, id);
CREATE INDEX process_steps_by_event ON process_steps (event, organisation, created_at, id);
CREATE TRIGGER "process_steps_never_changed" BEFORE UPDATE ON "process_steps" BEGIN SELECT RAISE(ABORT, 'append-only: process_steps'); END;
CREATE TRIGGER "process_steps_never_removed" BEFORE DELETE ON "process_steps" BEGIN SELECT RAISE(ABORT, 'append-only: process_steps'); END;
CREATE TABLE process_subscriptions (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT, 
	definition TEXT, 
	name TEXT NOT NULL, 
	"key" TEXT, 
	signal BOOLEAN NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX process_subscriptions_by_age ON process_subscriptions (organisation, created_at, id);
CREATE INDEX process_subscriptions_by_name ON process_subscriptions (name, organisation, created_at, id);
CREATE INDEX process_subscriptions_by_key ON process_subscriptions ("key", organisation, created_at, id);
CREATE INDEX process_subscriptions_by_signal ON process_subscriptions (signal, organisation, created_at, id);
CREATE INDEX process_subscriptions_by_instance ON process_subscriptions (instance, organisation, created_at, id);
CREATE INDEX process_subscriptions_by_definition ON process_subscriptions (definition, organisation, created_at, id);
CREATE TABLE process_timers (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT, 
	definition TEXT, 
	due BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX process_timers_by_instance ON process_timers (instance, organisation, created_at, id);
CREATE INDEX process_timers_by_due ON process_timers (due, organisation, created_at, id);
CREATE INDEX process_timers_by_age ON process_timers (organisation, created_at, id);
CREATE INDEX process_timers_by_definition ON process_timers (definition, organisation, created_at, id);
CREATE TABLE process_work (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT NOT NULL, 
	not_before BIGINT, 
	job TEXT, 
	child TEXT, 
	operation TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX process_work_by_age ON process_work (organisation, created_at, id);
CREATE INDEX process_work_by_not_before ON process_work (not_before, organisation, created_at, id);
CREATE INDEX process_work_by_operation ON process_work (operation, organisation, created_at, id);
CREATE INDEX process_work_by_child ON process_work (child, organisation, created_at, id);
CREATE INDEX process_work_by_job ON process_work (job, organisation, created_at, id);
CREATE INDEX process_work_by_instance ON process_work (instance, organisation, created_at, id);
CREATE TABLE task_candidacies (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	task TEXT NOT NULL, 
	who TEXT NOT NULL, 
	urgency TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX task_candidacies_by_age ON task_candidacies (organisation, created_at, id);
CREATE INDEX task_candidacies_by_urgency ON task_candidacies (urgency, organisation, created_at, id);
CREATE INDEX task_candidacies_by_task ON task_candidacies (task, organisation, created_at, id);
CREATE INDEX task_candidacies_by_who ON task_candidacies (who, organisation, created_at, id);
CREATE TABLE task_decisions (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	task TEXT NOT NULL, 
	instance TEXT NOT NULL, 
	process TEXT NOT NULL, 
	step TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	approver TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	subject_id TEXT NOT NULL, 
	approval TEXT, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	CONSTRAINT task_decisions_one_task_approver UNIQUE (task, approver), 
	CONSTRAINT task_decisions_one_instance_sequence UNIQUE (instance, sequence), 
	UNIQUE (id)
);
CREATE INDEX task_decisions_by_process ON task_decisions (process, organisation, created_at, id);
CREATE INDEX task_decisions_by_age ON task_decisions (organisation, created_at, id);
CREATE INDEX task_decisions_by_task ON task_decisions (task, organisation, created_at, id);
CREATE INDEX task_decisions_by_verdict ON task_decisions (verdict, organisation, created_at, id);
CREATE INDEX task_decisions_by_step ON task_decisions (step, organisation, created_at, id);
CREATE INDEX task_decisions_by_sequence ON task_decisions (sequence, organisation, created_at, id);
CREATE INDEX task_decisions_by_approver ON task_decisions (approver, organisation, created_at, id);
CREATE INDEX task_decisions_by_approval ON task_decisions (approval, organisation, created_at, id);
CREATE INDEX task_decisions_by_subject_id ON task_decisions (subject_id, organisation, created_at, id);
CREATE INDEX task_decisions_by_instance ON task_decisions (instance, organisation, created_at, id);
CREATE VIRTUAL TABLE "task_decisions_words" USING fts5(words, content='task_decisions', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "task_decisions_words_added" AFTER INSERT ON "task_decisions" BEGIN INSERT INTO "task_decisions_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "task_decisions_words_removed" AFTER DELETE ON "task_decisions" BEGIN INSERT INTO "task_decisions_words" ("task_decisions_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "task_decisions_words_changed" AFTER UPDATE OF words ON "task_decisions" WHEN old.words <> new.words BEGIN INSERT INTO "task_decisions_words" ("task_decisions_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "task_decisions_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "task_decisions_never_changed" BEFORE UPDATE ON "task_decisions" BEGIN SELECT RAISE(ABORT, 'append-only: task_decisions'); END;
CREATE TRIGGER "task_decisions_never_removed" BEFORE DELETE ON "task_decisions" BEGIN SELECT RAISE(ABORT, 'append-only: task_decisions'); END;
CREATE TABLE task_notes (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	task TEXT NOT NULL, 
	instance TEXT NOT NULL, 
	author TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX task_notes_by_instance ON task_notes (instance, organisation, created_at, id);
CREATE INDEX task_notes_by_task ON task_notes (task, organisation, created_at, id);
CREATE INDEX task_notes_by_author ON task_notes (author, organisation, created_at, id);
CREATE INDEX task_notes_by_age ON task_notes (organisation, created_at, id);
CREATE VIRTUAL TABLE "task_notes_words" USING fts5(words, content='task_notes', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "task_notes_words_added" AFTER INSERT ON "task_notes" BEGIN INSERT INTO "task_notes_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "task_notes_words_removed" AFTER DELETE ON "task_notes" BEGIN INSERT INTO "task_notes_words" ("task_notes_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "task_notes_words_changed" AFTER UPDATE OF words ON "task_notes" WHEN old.words <> new.words BEGIN INSERT INTO "task_notes_words" ("task_notes_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "task_notes_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "task_notes_never_changed" BEFORE UPDATE ON "task_notes" BEGIN SELECT RAISE(ABORT, 'append-only: task_notes'); END;
CREATE TRIGGER "task_notes_never_removed" BEFORE DELETE ON "task_notes" BEGIN SELECT RAISE(ABORT, 'append-only: task_notes'); END;
CREATE TABLE tasks (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	instance TEXT NOT NULL, 
	process TEXT NOT NULL, 
	element TEXT NOT NULL, 
	status TEXT NOT NULL, 
	assignee TEXT, 
	priority BIGINT NOT NULL, 
	about TEXT, 
	use_case TEXT, 
	due_at BIGINT, 
	next_at BIGINT, 
	completed_by TEXT, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX tasks_by_assignee ON tasks (assignee, organisation, created_at, id);
CREATE INDEX tasks_by_process ON tasks (process, organisation, created_at, id);
CREATE INDEX tasks_by_element ON tasks (element, organisation, created_at, id);
CREATE INDEX tasks_by_completed_by ON tasks (completed_by, organisation, created_at, id);
CREATE INDEX tasks_by_status ON tasks (status, organisation, created_at, id);
CREATE INDEX tasks_by_priority ON tasks (priority, organisation, created_at, id);
CREATE INDEX tasks_by_next_at ON tasks (next_at, organisation, created_at, id);
CREATE INDEX tasks_by_use_case ON tasks (use_case, organisation, created_at, id);
CREATE INDEX tasks_by_instance ON tasks (instance, organisation, created_at, id);
CREATE INDEX tasks_by_age ON tasks (organisation, created_at, id);
CREATE INDEX tasks_by_due_at ON tasks (due_at, organisation, created_at, id);
CREATE INDEX tasks_by_about ON tasks (about, organisation, created_at, id);
CREATE VIRTUAL TABLE "tasks_words" USING fts5(words, content='tasks', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "tasks_words_added" AFTER INSERT ON "tasks" BEGIN INSERT INTO "tasks_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "tasks_words_removed" AFTER DELETE ON "tasks" BEGIN INSERT INTO "tasks_words" ("tasks_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "tasks_words_changed" AFTER UPDATE OF words ON "tasks" WHEN old.words <> new.words BEGIN INSERT INTO "tasks_words" ("tasks_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "tasks_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE backfills (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	source TEXT NOT NULL, 
	endpoint TEXT NOT NULL, 
	use_case TEXT NOT NULL, 
	content TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX backfills_by_by ON backfills ("by", organisation, created_at, id);
CREATE INDEX backfills_by_source ON backfills (source, organisation, created_at, id);
CREATE INDEX backfills_by_endpoint ON backfills (endpoint, organisation, created_at, id);
CREATE INDEX backfills_by_age ON backfills (organisation, created_at, id);
CREATE INDEX backfills_by_use_case ON backfills (use_case, organisation, created_at, id);
CREATE INDEX backfills_by_content ON backfills (content, organisation, created_at, id);
CREATE TRIGGER "backfills_never_changed" BEFORE UPDATE ON "backfills" BEGIN SELECT RAISE(ABORT, 'append-only: backfills'); END;
CREATE TRIGGER "backfills_never_removed" BEFORE DELETE ON "backfills" BEGIN SELECT RAISE(ABORT, 'append-only: backfills'); END;
CREATE TABLE decision_exports (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	"by" TEXT NOT NULL, 
	endpoint TEXT, 
	use_case TEXT, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX decision_exports_by_by ON decision_exports ("by", organisation, created_at, id);
CREATE INDEX decision_exports_by_use_case ON decision_exports (use_case, organisation, created_at, id);
CREATE INDEX decision_exports_by_endpoint ON decision_exports (endpoint, organisation, created_at, id);
CREATE INDEX decision_exports_by_age ON decision_exports (organisation, created_at, id);
CREATE TRIGGER "decision_exports_never_changed" BEFORE UPDATE ON "decision_exports" BEGIN SELECT RAISE(ABORT, 'append-only: decision_exports'); END;
CREATE TRIGGER "decision_exports_never_removed" BEFORE DELETE ON "decision_exports" BEGIN SELECT RAISE(ABORT, 'append-only: decision_exports'); END;
CREATE TABLE disclosures (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	"by" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX disclosures_by_age ON disclosures (organisation, created_at, id);
CREATE INDEX disclosures_by_by ON disclosures ("by", organisation, created_at, id);
CREATE TRIGGER "disclosures_never_changed" BEFORE UPDATE ON "disclosures" BEGIN SELECT RAISE(ABORT, 'append-only: disclosures'); END;
CREATE TRIGGER "disclosures_never_removed" BEFORE DELETE ON "disclosures" BEGIN SELECT RAISE(ABORT, 'append-only: disclosures'); END;
CREATE TABLE erasures (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	requested_by TEXT NOT NULL, 
	subject_digest TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX erasures_by_state ON erasures (state, organisation, created_at, id);
CREATE INDEX erasures_by_requested_by ON erasures (requested_by, organisation, created_at, id);
CREATE INDEX erasures_by_age ON erasures (organisation, created_at, id);
CREATE INDEX erasures_by_subject_digest ON erasures (subject_digest, organisation, created_at, id);
CREATE TABLE legal_holds (
	seq INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	use_case TEXT, 
	state TEXT NOT NULL, 
	matter TEXT NOT NULL, 
	body TEXT NOT NULL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (id)
);
CREATE INDEX legal_holds_by_state ON legal_holds (state, organisation, created_at, id);
CREATE INDEX legal_holds_by_matter ON legal_holds (matter, organisation, created_at, id);
CREATE INDEX legal_holds_by_use_case ON legal_holds (use_case, organisation, created_at, id);
CREATE INDEX legal_holds_by_age ON legal_holds (organisation, created_at, id);
CREATE VIRTUAL TABLE "legal_holds_words" USING fts5(words, content='legal_holds', content_rowid='seq', tokenize='unicode61 remove_diacritics 0');
CREATE TRIGGER "legal_holds_words_added" AFTER INSERT ON "legal_holds" BEGIN INSERT INTO "legal_holds_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TRIGGER "legal_holds_words_removed" AFTER DELETE ON "legal_holds" BEGIN INSERT INTO "legal_holds_words" ("legal_holds_words", rowid, words) VALUES ('delete', old.seq, old.words); END;
CREATE TRIGGER "legal_holds_words_changed" AFTER UPDATE OF words ON "legal_holds" WHEN old.words <> new.words BEGIN INSERT INTO "legal_holds_words" ("legal_holds_words", rowid, words) VALUES ('delete', old.seq, old.words); INSERT INTO "legal_holds_words" (rowid, words) VALUES (new.seq, new.words); END;
CREATE TABLE named_subjects (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX named_subjects_by_age ON named_subjects (organisation, created_at, id);
CREATE TABLE retention_runs (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	use_case TEXT, 
	asked_by TEXT NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE INDEX retention_runs_by_state ON retention_runs (state, organisation, created_at, id);
CREATE INDEX retention_runs_by_use_case ON retention_runs (use_case, organisation, created_at, id);
CREATE INDEX retention_runs_by_age ON retention_runs (organisation, created_at, id);
CREATE INDEX retention_runs_by_asked_by ON retention_runs (asked_by, organisation, created_at, id);
CREATE TABLE retentions (
	id TEXT NOT NULL, 
	organisation TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	created_at BIGINT NOT NULL, 
	scope TEXT NOT NULL, 
	use_case TEXT, 
	tier TEXT, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT retentions_one_organisation_scope UNIQUE (organisation, scope)
);
CREATE INDEX retentions_by_age ON retentions (organisation, created_at, id);
CREATE INDEX retentions_by_use_case ON retentions (use_case, organisation, created_at, id);
CREATE INDEX retentions_by_scope ON retentions (scope, organisation, created_at, id);
CREATE INDEX retentions_by_tier ON retentions (tier, organisation, created_at, id);
INSERT INTO alembic_version VALUES ('0005');
