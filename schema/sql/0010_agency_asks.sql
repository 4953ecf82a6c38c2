-- 0010 agency asks -- an agency's own auditor asks of a use case, or a domain, that is rare among the agency's entries, or is none of its own.
--
-- A login of one agency reads that agency's rows only; in the index of all agencies' uses of AI everybody else's rows lie between, and in
-- the index of the agency every other use's do. In ten million entries that was a scan of seconds for an empty answer.
-- What it costs: 120 bytes an entry that names a use case, and about a tenth of the rate of copying entries in; the one of
-- domains, which only decisions have, next to nothing.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

CREATE INDEX entry_agency_usecase ON entry (agency, usecase, wall, log_id, index) WHERE usecase IS NOT NULL;
CREATE INDEX entry_agency_domain ON entry (agency, domain, wall, log_id, index) WHERE domain IS NOT NULL;
