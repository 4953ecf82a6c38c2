-- 0005 ticket_subject -- for whom a held request was made, as a pseudonym: nobody approves what he asked for himself (T11).

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

ALTER TABLE ticket ADD COLUMN subject text COLLATE "C";
