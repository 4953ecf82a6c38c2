-- 0001 evidence -- where the entries live once the journal has shipped them.
--
-- What counts is `entry.bytes`: the exact canonical bytes whose SHA-256(0x00 || bytes) is the leaf of the log's Merkle tree.
-- Every other column of `entry` is read out of them (schema/entry.h, struct entry_columns) and exists for querying;
-- `haechi audit verify` compares each with the bytes. A member the entry does not have is NULL, never ''.
--
-- Nothing here is trusted: grants, policies and triggers are guard rails against mistakes. That nothing was changed is
-- proven by the tree and the log's signatures, under keys kept outside this database.
--
-- Who reads and writes (group roles without login; `haechi db login` makes logins):
--   haechi_owner      owns the schema; used by `haechi db migrate` alone
--   haechi_writer     the daemon. COPY refuses a table with row-level security in force, so this role has BYPASSRLS,
--                     which is no wider than its own policy would be, and its logins carry ALTER ROLE ... SET role
--   haechi_agency     entries of the agencies its login is mapped to
--   haechi_auditor    the same, with the sealed content; agency '*' in the mapping is every agency
--   haechi_regulator  entries of every agency, no content
-- Rows are chosen by session_user, which no client can set; there is no setting that widens what a login sees.

DO $$
DECLARE
	wanted text;
BEGIN
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION 'haechi needs a database in UTF8, this one is in %', current_setting('server_encoding');
	END IF;
	FOREACH wanted IN ARRAY ARRAY['haechi_owner', 'haechi_agency', 'haechi_auditor', 'haechi_regulator'] LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = wanted) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
		END IF;
	END LOOP;
	IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'haechi_writer') THEN
		CREATE ROLE haechi_writer NOLOGIN BYPASSRLS;
	END IF;
	IF NOT pg_has_role(current_user, 'haechi_owner', 'MEMBER') THEN
		EXECUTE format('GRANT haechi_owner TO %I', current_user);
	END IF;
END
$$;

CREATE SCHEMA haechi AUTHORIZATION haechi_owner;
SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

-- What `haechi db migrate` has applied. The digest is SHA-256 of the file: an edited old file is refused.
CREATE TABLE migration (
	number     integer PRIMARY KEY,
	name       text NOT NULL,
	digest     text NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	applied_by text NOT NULL DEFAULT session_user
);

-- ---- logs and their keys ------------------------------------------------------------------------------------------

CREATE TABLE log (
	log_id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	origin     text COLLATE "C" NOT NULL UNIQUE, -- "haechi.<agency>/<node>"
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- C2SP verifier keys as the log itself announced them. Convenient, not trustworthy: verify with a key file.
CREATE TABLE log_key (
	log_id   integer NOT NULL REFERENCES log,
	vkey     text COLLATE "C" NOT NULL,
	added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (log_id, vkey)
);

-- ---- entries ------------------------------------------------------------------------------------------------------

CREATE TABLE entry (
	log_id     integer NOT NULL,
	index      bigint NOT NULL CHECK (index >= 0), -- leaf number in the log, from 0 without gaps
	wall       timestamptz NOT NULL,               -- wall_ms of the entry, whole milliseconds
	id         text COLLATE "C" NOT NULL,          -- UUIDv7
	kind       text COLLATE "C" NOT NULL,
	agency     text COLLATE "C",
	service    text COLLATE "C",
	subject    text COLLATE "C",
	key_id     text COLLATE "C",
	request_id text COLLATE "C",
	of         text COLLATE "C",                   -- id of the entry this one follows
	usecase    text COLLATE "C",
	verdict    text COLLATE "C",
	access     text COLLATE "C",                   -- permit, hold, redact, deny
	domain     text COLLATE "C",
	action     text COLLATE "C",                   -- of reviews and notes; the status of an outcome
	model      text COLLATE "C",
	zone       text COLLATE "C",
	bytes      bytea NOT NULL,
	PRIMARY KEY (log_id, index, wall)
) PARTITION BY RANGE (wall);

-- Pages are keyed by (wall, log_id, index): the last page of a year costs what the first does.
CREATE INDEX entry_wall ON entry (wall, log_id, index);
CREATE INDEX entry_agency ON entry (agency, wall, log_id, index);
CREATE INDEX entry_usecase ON entry (usecase, wall, log_id, index) WHERE usecase IS NOT NULL;
CREATE INDEX entry_domain ON entry (domain, wall, log_id, index) WHERE domain IS NOT NULL;
CREATE INDEX entry_access ON entry (access, wall, log_id, index) WHERE access <> 'permit';
CREATE INDEX entry_id ON entry (id);
CREATE INDEX entry_request ON entry (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX entry_of ON entry (of) WHERE of IS NOT NULL;

-- Entries of a month nobody made a partition for are kept all the same.
CREATE TABLE entry_default PARTITION OF entry DEFAULT;

-- Signed heads. `note` is the C2SP note exactly as signed. One a shipped batch is enough: the newest covers all before.
CREATE TABLE checkpoint (
	log_id integer NOT NULL,
	size   bigint NOT NULL CHECK (size >= 0),
	root   bytea NOT NULL CHECK (octet_length(root) = 32),
	wall   timestamptz NOT NULL,
	note   text COLLATE "C" NOT NULL,
	PRIMARY KEY (log_id, size)
);

-- Full tiles of the tree as in tlog-tiles: 256 hashes of 32 bytes; level 0 are leaf hashes of entries [256n, 256n+256).
-- They make a proof cost the logarithm of the log; a tile that is absent is computed from what is below it.
CREATE TABLE tile (
	log_id integer NOT NULL,
	level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
	number bigint NOT NULL CHECK (number >= 0),
	hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
	PRIMARY KEY (log_id, level, number)
);
ALTER TABLE tile ALTER hashes SET STORAGE EXTERNAL; -- hashes do not compress

-- Sealed prompts and answers (audit/seal.c), each under its own wrapped key. The one table of evidence whose rows may
-- go: shredding removes them, and the entry's commitment still verifies.
CREATE TABLE content (
	log_id   integer NOT NULL,
	entry_id text COLLATE "C" NOT NULL,
	part     text COLLATE "C" NOT NULL, -- "prompt", "answer"
	wall     timestamptz NOT NULL,      -- of the entry
	agency   text COLLATE "C",          -- of the entry
	blob     bytea NOT NULL,
	PRIMARY KEY (log_id, entry_id, part, wall)
) PARTITION BY RANGE (wall);
ALTER TABLE content ALTER blob SET STORAGE EXTERNAL; -- ciphertext does not compress
CREATE TABLE content_default PARTITION OF content DEFAULT;

-- ---- guard rails: append only -------------------------------------------------------------------------------------

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	RAISE EXCEPTION 'haechi.% is evidence: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;

-- Statement triggers are not inherited by partitions: each gets its own.
CREATE FUNCTION guard(relation regclass) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s '
	               'FOR EACH STATEMENT EXECUTE FUNCTION haechi.refuse_change()', relation);
END
$$;
SELECT guard(relation) FROM unnest(ARRAY['entry', 'entry_default', 'checkpoint', 'tile', 'log', 'log_key', 'migration']::regclass[])
       AS relation;

-- ---- what the shipper calls ---------------------------------------------------------------------------------------

-- The log's number; made, with its keys, when it is new. Keys are only ever added.
CREATE FUNCTION log_register(log_origin text, vkeys text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	found integer;
BEGIN
	INSERT INTO haechi.log (origin) VALUES (log_origin) ON CONFLICT (origin) DO NOTHING;
	SELECT log_id INTO STRICT found FROM haechi.log WHERE origin = log_origin;
	INSERT INTO haechi.log_key (log_id, vkey) SELECT found, unnest(vkeys) ON CONFLICT DO NOTHING;
	RETURN found;
END
$$;

-- Partitions of `entry` and `content` for the month (UTC) that holds `moment`. False when they were there already, or when
-- rows of that month are in the default partition, where they then stay. Cheap: call it once a month and at start.
CREATE FUNCTION month_ensure(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
	first  timestamptz := date_trunc('month', moment AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
	beyond timestamptz := (date_trunc('month', moment AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
	suffix text := to_char(moment AT TIME ZONE 'UTC', 'YYYYMM');
BEGIN
	IF to_regclass('haechi.entry_' || suffix) IS NOT NULL THEN
		RETURN false;
	END IF;
	PERFORM pg_advisory_xact_lock(hashtextextended('haechi.month_ensure', 0));
	IF to_regclass('haechi.entry_' || suffix) IS NOT NULL
	   OR EXISTS (SELECT FROM haechi.entry_default WHERE wall >= first AND wall < beyond)
	   OR EXISTS (SELECT FROM haechi.content_default WHERE wall >= first AND wall < beyond) THEN
		RETURN false;
	END IF;
	EXECUTE format('CREATE TABLE haechi.entry_%s PARTITION OF haechi.entry FOR VALUES FROM (%L) TO (%L)', suffix, first, beyond);
	EXECUTE format('CREATE TABLE haechi.content_%s PARTITION OF haechi.content FOR VALUES FROM (%L) TO (%L)', suffix, first, beyond);
	PERFORM haechi.guard(format('haechi.entry_%s', suffix)::regclass);
	RETURN true;
END
$$;

SELECT month_ensure(now()), month_ensure(now() + interval '1 month');

-- ---- who sees what ------------------------------------------------------------------------------------------------

-- Which agencies a login belongs to; '*' is every agency. Written by `haechi db login` as the owner.
CREATE TABLE login_scope (
	login  name NOT NULL,
	agency text COLLATE "C" NOT NULL,
	PRIMARY KEY (login, agency)
);

CREATE FUNCTION my_agencies() RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
	SELECT coalesce(array_agg(agency::text), '{}') FROM haechi.login_scope WHERE login = session_user
$$;

CREATE FUNCTION my_scope_is_whole() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
	SELECT EXISTS (SELECT FROM haechi.login_scope WHERE login = session_user AND agency = '*')
$$;

-- Does the caller see every row of `entry`? A gap means something only then: `haechi audit verify` asks first.
CREATE FUNCTION sees_everything() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
	SELECT NOT row_security_active('haechi.entry')
	    OR pg_has_role('haechi_regulator', 'USAGE')
	    OR (pg_has_role('haechi_auditor', 'USAGE') AND haechi.my_scope_is_whole())
$$;

-- Who read what, and why: PIPA's access log (account, time, place, whose data, what was done, reason). Written through
-- access_note() alone, before the rows are given out; the gateway carries new rows into the log as `access` entries.
CREATE TABLE access (
	access_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	wall      timestamptz NOT NULL DEFAULT clock_timestamp(),
	login     name NOT NULL DEFAULT session_user,
	place     text NOT NULL,  -- client address, or "local"
	action    text NOT NULL,  -- "query", "receipt", "export", "report", ...
	about     text NOT NULL,  -- the filters: whose data
	reason    text            -- as the reader gave it
);

CREATE FUNCTION access_note(action text, about text, reason text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
	INSERT INTO haechi.access (place, action, about, reason)
	VALUES (coalesce(host(inet_client_addr()), 'local'), left($1, 64), left($2, 1024), left($3, 1024))
	RETURNING access_id
$$;

SELECT guard('access'::regclass);

ALTER TABLE entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE content ENABLE ROW LEVEL SECURITY;
ALTER TABLE access ENABLE ROW LEVEL SECURITY;

CREATE POLICY agency_reads ON entry FOR SELECT TO haechi_agency, haechi_auditor
	USING (agency = ANY ((SELECT my_agencies())::text[]));
CREATE POLICY auditor_reads_all ON entry FOR SELECT TO haechi_auditor USING ((SELECT my_scope_is_whole()));
CREATE POLICY regulator_reads ON entry FOR SELECT TO haechi_regulator USING (true);
CREATE POLICY auditor_reads ON content FOR SELECT TO haechi_auditor
	USING (agency = ANY ((SELECT my_agencies())::text[]) OR (SELECT my_scope_is_whole()));
CREATE POLICY auditor_reads ON access FOR SELECT TO haechi_auditor USING ((SELECT my_scope_is_whole()));

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA haechi FROM PUBLIC;
GRANT USAGE ON SCHEMA haechi TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
GRANT SELECT ON migration, log, log_key, checkpoint, tile TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
GRANT SELECT ON entry TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
GRANT SELECT ON content, access TO haechi_writer, haechi_auditor;
GRANT INSERT ON entry, checkpoint, tile, content TO haechi_writer;
GRANT DELETE ON content TO haechi_writer;
GRANT EXECUTE ON FUNCTION log_register(text, text[]), month_ensure(timestamptz) TO haechi_writer;
GRANT EXECUTE ON FUNCTION my_agencies(), my_scope_is_whole(), sees_everything(), access_note(text, text, text)
	TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
