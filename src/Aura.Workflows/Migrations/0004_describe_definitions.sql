-- What lists show and filter by stands in columns: a list never reads a document.
ALTER TABLE wf.definitions
    ADD COLUMN description        text,
    ADD COLUMN tool_version       text,
    ADD COLUMN is_readonly        boolean NOT NULL DEFAULT false,
    ADD COLUMN is_system          boolean NOT NULL DEFAULT false,
    ADD COLUMN usable_as_activity boolean NOT NULL DEFAULT false,
    -- When the version was published first. From then on its document never changes, also when it is retracted.
    ADD COLUMN published_at       timestamptz;

UPDATE wf.definitions SET
    description        = document->>'description',
    tool_version       = document->>'toolVersion',
    is_readonly        = coalesce(document->>'isReadonly' = 'true', false),
    is_system          = coalesce(document->>'isSystem' = 'true', false),
    usable_as_activity = coalesce(coalesce(document->'options'->>'usableAsActivity', document->>'usableAsActivity') = 'true', false),
    published_at       = CASE WHEN is_published OR NOT is_latest THEN created_at END;

ALTER TABLE wf.definitions ADD CHECK (NOT is_published OR published_at IS NOT NULL);

CREATE INDEX definitions_by_name ON wf.definitions (lower(name));
CREATE INDEX definitions_usable ON wf.definitions (version_id) WHERE usable_as_activity AND published_at IS NOT NULL;

-- Which workflows a version uses as activities. A published version keeps to the versions that stand here.
CREATE TABLE wf.definition_references (
    version_id          text NOT NULL REFERENCES wf.definitions ON DELETE CASCADE,
    -- How the document names the workflow: type, version and ids as they stand in it.
    reference           text NOT NULL,
    child_definition_id text NOT NULL,
    -- Null while no version of it is published.
    child_version_id    text,
    PRIMARY KEY (version_id, reference)
);
CREATE INDEX definition_references_by_child ON wf.definition_references (child_definition_id);
