-- The HTTP front reads the different paths at which instances wait; through this index it jumps from path to path.
CREATE INDEX bookmarks_http_paths ON wf.bookmarks ((payload->>'path') COLLATE "C") WHERE name = 'Elsa.HttpEndpoint';
