-- 0006 oversight -- what the evidence says of how uses of AI are really used: reviews measured (law T11, T12), drift counted.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

-- Reviews are few beside requests: both indexes are small, and the gateway asks by them every other second.
CREATE INDEX entry_review ON entry (agency, usecase, wall, index) WHERE kind = 'review' AND action IN ('approve', 'edit', 'refuse');

-- Every decision of a reviewer, out of the bytes of its entry: the log is right, not the queue.
CREATE VIEW review_decision WITH (security_invoker = true) AS
	SELECT agency, usecase, wall, log_id, index, id, action,
		body ->> 'reviewer' AS reviewer, body ->> 'role' AS role,
		coalesce((body ->> 'changed')::boolean, false) AS changed,
		(body ->> 'shown_ms')::bigint AS shown_ms -- between seeing it and deciding; NULL: decided unseen
	FROM (SELECT agency, usecase, wall, log_id, index, id, action, convert_from(bytes, 'UTF8')::jsonb -> 'body' AS body
		FROM entry WHERE kind = 'review' AND action IN ('approve', 'edit', 'refuse')) r;

-- What the log last told of a use case's verdict and drift, so that a change is told once. Working state, like the queue.
CREATE TABLE usecase_told (
	agency   text COLLATE "C" NOT NULL,
	id       text COLLATE "C" NOT NULL,
	version  bigint NOT NULL,  -- of which it was told; a newer version begins anew
	verdict  text NOT NULL,
	drift    boolean NOT NULL, -- it drifts often
	told_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
	entry_id text COLLATE "C" NOT NULL,
	PRIMARY KEY (agency, id)
);
ALTER TABLE usecase_told ENABLE ROW LEVEL SECURITY;
CREATE POLICY agency_reads ON usecase_told FOR SELECT TO haechi_agency, haechi_auditor
	USING (agency = ANY ((SELECT my_agencies())::text[]) OR (SELECT my_scope_is_whole()));
CREATE POLICY regulator_reads ON usecase_told FOR SELECT TO haechi_regulator USING (true);

GRANT SELECT, INSERT, UPDATE ON usecase_told TO haechi_writer;
GRANT SELECT ON usecase_told, review_decision TO haechi_agency, haechi_auditor, haechi_regulator;
GRANT SELECT ON review_decision TO haechi_writer;
