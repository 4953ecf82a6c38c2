-- 0004 subject -- find a person's entries by the pseudonym: to erase their content (PIPA 21, 36), or to show it (PIPA 35).

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

CREATE INDEX entry_subject ON entry (subject, wall, log_id, index) WHERE kind IN ('decision', 'outcome') AND subject IS NOT NULL;
