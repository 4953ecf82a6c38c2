-- 0009 domains -- an entry of several domains is found by each of them.
--
-- `domain` is the first of the assessment, as before; `also` are the further ones, NULL where there is none. Derived from
-- the bytes like every column, and compared by `haechi audit verify`. Few entries have any: an index a domain over those alone
-- keeps a page by a further domain as cheap and as well ordered as one by the first.

SET LOCAL ROLE haechi_owner;
SET LOCAL search_path = haechi, pg_catalog;

ALTER TABLE entry ADD COLUMN also text[];

-- Entries that are there already: the one change of stored evidence, of a column that nobody has read yet.
ALTER TABLE entry DISABLE TRIGGER append_only;
UPDATE entry e SET also = ARRAY(
	SELECT name FROM jsonb_array_elements_text(convert_from(e.bytes, 'UTF8')::jsonb #> '{body,assessment,domains}')
	WITH ORDINALITY AS listed (name, place) WHERE place > 1 AND name <> '' ORDER BY place)
WHERE e.domain IS NOT NULL AND position(convert_to('"domains":["' || e.domain || '",', 'UTF8') in e.bytes) > 0;
ALTER TABLE entry ENABLE TRIGGER append_only;

CREATE INDEX entry_also_energy ON entry (wall, log_id, index) WHERE also @> ARRAY['energy'::text];
CREATE INDEX entry_also_water ON entry (wall, log_id, index) WHERE also @> ARRAY['water'::text];
CREATE INDEX entry_also_healthcare ON entry (wall, log_id, index) WHERE also @> ARRAY['healthcare'::text];
CREATE INDEX entry_also_medical_device ON entry (wall, log_id, index) WHERE also @> ARRAY['medical_device'::text];
CREATE INDEX entry_also_nuclear ON entry (wall, log_id, index) WHERE also @> ARRAY['nuclear'::text];
CREATE INDEX entry_also_biometric ON entry (wall, log_id, index) WHERE also @> ARRAY['biometric'::text];
CREATE INDEX entry_also_hiring_lending ON entry (wall, log_id, index) WHERE also @> ARRAY['hiring_lending'::text];
CREATE INDEX entry_also_transport ON entry (wall, log_id, index) WHERE also @> ARRAY['transport'::text];
CREATE INDEX entry_also_public_service ON entry (wall, log_id, index) WHERE also @> ARRAY['public_service'::text];
CREATE INDEX entry_also_education ON entry (wall, log_id, index) WHERE also @> ARRAY['education'::text];
CREATE INDEX entry_also_other ON entry (wall, log_id, index) WHERE also @> ARRAY['other'::text];
