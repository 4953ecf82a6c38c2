-- 0003 access -- which rows of the access log the gateway has carried into the log as `access` entries.
--
-- The row in haechi.access comes first, written by the reader's own login before anything is given out; the entry follows
-- within seconds and is signed. A row that was carried twice (a crash in between) has two entries with the same access_id.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

CREATE TABLE access_carried (
	access_id bigint PRIMARY KEY,
	entry_id  text COLLATE "C" NOT NULL
);
SELECT guard('access_carried'::regclass);

GRANT SELECT, INSERT ON access_carried TO haechi_writer;
GRANT SELECT ON access_carried TO haechi_auditor;
