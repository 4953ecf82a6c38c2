-- 0008 anchor -- heads that somebody outside has confirmed: cosigned by witnesses (C2SP), stamped with the time (RFC 3161).
--
-- A head's own row in `checkpoint` is written with its batch and never changes; what others say of it comes later, and of fewer
-- heads. `haechi audit verify` holds each note's root and signatures against the tree, as it does with every head.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

-- A note with cosignature lines. More witnesses may have come to the same head later: the newest row of a size has the most.
CREATE TABLE cosigned (
	log_id integer NOT NULL,
	size   bigint NOT NULL CHECK (size > 0),
	wall   timestamptz NOT NULL DEFAULT clock_timestamp(),
	note   text COLLATE "C" NOT NULL,
	PRIMARY KEY (log_id, size, wall)
);

-- The authority's whole answer (DER), and the note whose SHA-256 it stamped.
CREATE TABLE stamped (
	log_id integer NOT NULL,
	size   bigint NOT NULL CHECK (size > 0),
	wall   timestamptz NOT NULL, -- as the token says
	note   text COLLATE "C" NOT NULL,
	answer bytea NOT NULL,
	PRIMARY KEY (log_id, size, wall)
);

SELECT guard('cosigned'::regclass), guard('stamped'::regclass);
GRANT SELECT ON cosigned, stamped TO haechi_writer, haechi_agency, haechi_auditor, haechi_regulator;
GRANT INSERT ON cosigned, stamped TO haechi_writer;
