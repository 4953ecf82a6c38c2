-- 0002 registry -- what the gateway works with beside the evidence: registered uses of AI, API keys, the review queue.
--
-- These tables are the working state. What happened to them is in the log (entries of kind usecase, key, review);
-- where the two differ, the log is right.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

-- Every version a row; a use case is never edited in place. `document` is the exact text that was registered.
CREATE TABLE usecase (
	agency     text COLLATE "C" NOT NULL,
	id         text COLLATE "C" NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
	version    bigint NOT NULL CHECK (version > 0),
	document   bytea NOT NULL,          -- JSON of usecase.schema.json
	digest     text NOT NULL,           -- SHA-256 of it, hex
	verdict    text NOT NULL,           -- as assessed at registration; assessed anew when the rules change
	ruleset    text NOT NULL,           -- date of the rule set that said so
	assessment jsonb NOT NULL,          -- domains, rules, missing facts, duties: what `usecase assess` prints
	retired    boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by text NOT NULL,           -- who registered it, as the gateway identified them
	entry_id   text COLLATE "C",        -- the entry that tells of it
	PRIMARY KEY (agency, id, version)
);

CREATE VIEW usecase_latest WITH (security_invoker = true) AS
	SELECT DISTINCT ON (agency, id) * FROM usecase ORDER BY agency, id, version DESC;

-- The secret itself is shown once, when the key is made; here is its hash alone.
CREATE TABLE api_key (
	key_id      text COLLATE "C" PRIMARY KEY,   -- public part, as in entries
	agency      text COLLATE "C" NOT NULL,
	service     text COLLATE "C" NOT NULL,
	secret_hash bytea NOT NULL,                 -- SHA-256 of the secret part (random, 256 bits: needs no slow hash)
	usecases    text[] NOT NULL DEFAULT '{}',   -- ids the key is bound to; the first is the default
	roles       text[] NOT NULL DEFAULT '{}',
	created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	created_by  text NOT NULL,
	expires_at  timestamptz,
	revoked_at  timestamptz,
	entry_id    text COLLATE "C"
);

-- The review queue: a held request waits here for a person (Art. 34(1)4).
CREATE TABLE ticket (
	ticket         text COLLATE "C" PRIMARY KEY,
	agency         text COLLATE "C" NOT NULL,
	service        text COLLATE "C" NOT NULL,
	key_id         text COLLATE "C" NOT NULL,
	usecase        text COLLATE "C" NOT NULL,
	entry_id       text COLLATE "C" NOT NULL,   -- the decision entry that held it
	log_id         integer NOT NULL,            -- with entry_id: where its sealed content is
	request_id     text COLLATE "C",
	state          text NOT NULL DEFAULT 'waiting'
	               CHECK (state IN ('waiting', 'approved', 'refused', 'expired', 'answered', 'failed')),
	approver_role  text,
	request_digest text NOT NULL,               -- SHA-256 of the request as held, hex: what is approved is what is sent
	content        bytea,                       -- the sealed request while it waits; NULL once it is settled or shredded
	created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	expires_at     timestamptz NOT NULL,
	opened_at      timestamptz,                 -- first shown to the reviewer who decided: T11, T12
	decided_at     timestamptz,
	reviewer       text,
	reason         text,
	changed        boolean NOT NULL DEFAULT false,
	review_entry   text COLLATE "C",
	outcome_entry  text COLLATE "C"
);
CREATE INDEX ticket_waiting ON ticket (agency, created_at) WHERE state = 'waiting';
CREATE INDEX ticket_decided ON ticket (agency, usecase, decided_at DESC) WHERE decided_at IS NOT NULL;
CREATE INDEX ticket_expires ON ticket (expires_at) WHERE state = 'waiting';

SELECT guard('usecase'::regclass);

ALTER TABLE usecase ENABLE ROW LEVEL SECURITY;
ALTER TABLE ticket ENABLE ROW LEVEL SECURITY;
CREATE POLICY agency_reads ON usecase FOR SELECT TO haechi_agency, haechi_auditor
	USING (agency = ANY ((SELECT my_agencies())::text[]) OR (SELECT my_scope_is_whole()));
CREATE POLICY regulator_reads ON usecase FOR SELECT TO haechi_regulator USING (true);
CREATE POLICY agency_reads ON ticket FOR SELECT TO haechi_agency, haechi_auditor
	USING (agency = ANY ((SELECT my_agencies())::text[]) OR (SELECT my_scope_is_whole()));

GRANT SELECT, INSERT ON usecase TO haechi_writer;
GRANT SELECT, INSERT, UPDATE ON api_key, ticket TO haechi_writer;
GRANT SELECT ON usecase, usecase_latest TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
GRANT SELECT ON ticket TO haechi_agency, haechi_auditor;
