-- Who changed a definition and when, and a number that tells each state of its document from every other. The numbers come from one
-- sequence and are never given twice: a draft that was deleted and made anew cannot pass for the one that somebody still has open.
CREATE SEQUENCE wf.definition_revisions;
ALTER TABLE wf.definitions
    ADD COLUMN revision      bigint NOT NULL DEFAULT nextval('wf.definition_revisions'),
    ADD COLUMN saved_by      text,
    ADD COLUMN saved_at      timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN published_by  text,
    -- The open editor that saved last, the revision that it had opened, and the hashes of what it stored lately: its next save may be
    -- on its way before it has heard of the revision that its last one made.
    ADD COLUMN editor        text,
    ADD COLUMN editor_base   bigint,
    ADD COLUMN editor_hashes text[] NOT NULL DEFAULT '{}';
UPDATE wf.definitions SET saved_at = created_at;

-- A page of a list is read from an index, however many versions there are.
CREATE INDEX definitions_by_creation ON wf.definitions (created_at, version_id);
CREATE INDEX definitions_latest_by_creation ON wf.definitions (created_at, version_id) WHERE is_latest;
CREATE INDEX definitions_latest_by_name ON wf.definitions (lower(name), version_id) WHERE is_latest;
