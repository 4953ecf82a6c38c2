-- 0007 archive -- months that left the database for files (audit/archive.h): which, where to, and the log's own word for it.
--
-- A month's entries go only when an archive of them holds (haechi audit detach looks at every byte first) and the log has
-- recorded that they go. Hashes stay: the tree's tiles are not partitioned, so every proof is made as before, and
-- `haechi audit verify` walks over what was detached by its leaf hashes. A row here is believed by nobody: `receipt` proves
-- under the log's own signature that the log recorded exactly these entries as detached; without it a gap is a gap.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

CREATE TABLE archive (
	log_id      integer NOT NULL,
	manifest    text COLLATE "C" NOT NULL,  -- SHA-256 of the archive's signed manifest, hex
	month       date NOT NULL,              -- its first day (UTC)
	first       bigint NOT NULL CHECK (first >= 0),
	last        bigint NOT NULL CHECK (last >= first),
	entries     bigint NOT NULL CHECK (entries > 0),
	runs        bigint[] NOT NULL,          -- which indices: first, count, first, count, ...
	place       text NOT NULL,              -- the folder, as it was named when it was detached
	receipt     bytea NOT NULL,             -- of the entry that tells of it
	detached_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	detached_by text NOT NULL DEFAULT session_user,
	PRIMARY KEY (log_id, manifest)
);

-- Entries of archived months that content was sealed for: erasing a person's content must find them (PIPA 21, 36), and the
-- archive may lie on another machine. `root` is the entry at the head of their chain (schema/ENTRY.md: of).
CREATE TABLE archive_sealed (
	log_id  integer NOT NULL,
	index   bigint NOT NULL,
	wall    timestamptz NOT NULL,
	id      text COLLATE "C" NOT NULL,
	kind    text COLLATE "C" NOT NULL,
	agency  text COLLATE "C",
	usecase text COLLATE "C",
	subject text COLLATE "C",
	of      text COLLATE "C",
	root    text COLLATE "C" NOT NULL,
	PRIMARY KEY (log_id, index)
);
CREATE INDEX archive_sealed_id ON archive_sealed (id);
CREATE INDEX archive_sealed_of ON archive_sealed (of) WHERE of IS NOT NULL;
CREATE INDEX archive_sealed_root ON archive_sealed (root);
CREATE INDEX archive_sealed_subject ON archive_sealed (subject) WHERE subject IS NOT NULL;
CREATE INDEX archive_sealed_wall ON archive_sealed (wall);

SELECT guard('archive'::regclass), guard('archive_sealed'::regclass);

-- Take a month's partitions away, whole or not at all. The caller (haechi audit detach, as the owner) has checked the archive
-- and written the rows of `archive` in the same transaction: whatever is in the partition and in none of them keeps it.
CREATE FUNCTION month_detach(month date) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
	suffix text := to_char(month, 'YYYYMM');
	entries bigint;
	listed bigint;
BEGIN
	IF to_regclass('haechi.entry_' || suffix) IS NULL OR to_regclass('haechi.content_' || suffix) IS NULL THEN
		RAISE EXCEPTION 'haechi: no partition of %', to_char(month, 'YYYY-MM') USING ERRCODE = 'undefined_table';
	END IF;
	IF (month + interval '1 month') AT TIME ZONE 'UTC' > now() THEN
		RAISE EXCEPTION 'haechi: % is not over', to_char(month, 'YYYY-MM') USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	-- Nothing comes into these two any more; everything else goes on until the last step, which takes an instant.
	EXECUTE format('LOCK TABLE haechi.entry_%s, haechi.content_%s IN SHARE MODE', suffix, suffix);
	EXECUTE format('SELECT count(*) FROM haechi.entry_%s', suffix) INTO entries;
	EXECUTE format('SELECT count(*) FROM (SELECT a.log_id, a.runs[n] AS first, a.runs[n] + a.runs[n + 1] AS beyond '
	               'FROM haechi.archive a, generate_series(1, array_length(a.runs, 1), 2) AS n WHERE a.month = $1) r '
	               'JOIN haechi.entry_%s e ON e.log_id = r.log_id AND e.index >= r.first AND e.index < r.beyond', suffix)
	INTO listed USING month;
	IF entries <> listed THEN
		RAISE EXCEPTION 'haechi: % entries of % are in no archive', entries - listed, to_char(month, 'YYYY-MM')
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	EXECUTE format('INSERT INTO haechi.archive_sealed SELECT e.log_id, e.index, e.wall, e.id, e.kind, e.agency, e.usecase, e.subject, e.of, '
	               'coalesce((WITH RECURSIVE up AS (SELECT p.id, p.of, 1 AS step FROM haechi.entry p WHERE p.id = e.of AND p.log_id = e.log_id '
	               'UNION ALL SELECT p.id, p.of, up.step + 1 FROM up JOIN haechi.entry p ON p.id = up.of AND p.log_id = e.log_id WHERE up.step < 16) '
	               'SELECT coalesce(s.root, up.id) FROM up LEFT JOIN haechi.archive_sealed s ON s.id = up.of ORDER BY up.step DESC LIMIT 1), '
	               '(SELECT s.root FROM haechi.archive_sealed s WHERE s.id = e.of), e.of, e.id) '
	               'FROM haechi.entry_%s e WHERE EXISTS (SELECT FROM haechi.content_%s c WHERE c.log_id = e.log_id AND c.entry_id = e.id) '
	               'OR (e.kind = ''decision'' AND position(''"prompt":{''::bytea in e.bytes) > 0 AND (e.access = ''hold'' '
	               'OR position(''"log_full":true''::bytea in e.bytes) > 0)) '
	               'OR (e.kind = ''outcome'' AND position(''"answer":{''::bytea in e.bytes) > 0) '
	               'OR (e.kind = ''review'' AND e.action = ''edit'')', suffix, suffix);
	EXECUTE format('ALTER TABLE haechi.entry DETACH PARTITION haechi.entry_%s', suffix);
	EXECUTE format('ALTER TABLE haechi.content DETACH PARTITION haechi.content_%s', suffix);
	EXECUTE format('DROP TABLE haechi.entry_%s, haechi.content_%s', suffix, suffix);
	RETURN entries;
END
$$;
REVOKE ALL ON FUNCTION month_detach(date) FROM PUBLIC;

ALTER TABLE archive_sealed ENABLE ROW LEVEL SECURITY;
CREATE POLICY agency_reads ON archive_sealed FOR SELECT TO haechi_agency, haechi_auditor
	USING (agency = ANY ((SELECT my_agencies())::text[]) OR (SELECT my_scope_is_whole()));

GRANT SELECT ON archive TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
GRANT SELECT ON archive_sealed TO haechi_writer, haechi_agency, haechi_auditor;
