-- Sandboxes that people open for themselves through MCP, outside any job. The sandbox's own files are where those of jobs are.
CREATE TABLE aura.mcp_sessions (
    id           text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,47}$'),
    sandbox_id   text NOT NULL UNIQUE,
    project_id   text NOT NULL,
    base_commit  text NOT NULL,
    created_by   text NOT NULL CHECK (created_by <> ''),
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- A job's sandbox belongs to its employee.
    CONSTRAINT mcp_sessions_are_no_jobs CHECK (id !~* '^job-')
);
