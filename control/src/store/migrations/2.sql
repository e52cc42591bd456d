-- state: JSON, the engine's own.
CREATE TABLE rollouts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    pipeline TEXT NOT NULL,
    service TEXT NOT NULL,
    status TEXT NOT NULL,
    began INTEGER NOT NULL,
    ended INTEGER,
    state TEXT NOT NULL
) STRICT;
CREATE INDEX rollouts_open ON rollouts (ended) WHERE ended IS NULL;
CREATE INDEX rollouts_of ON rollouts (service, number);
