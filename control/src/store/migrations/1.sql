PRAGMA application_id = 1382506868; -- "Rgat"

-- One row.
CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    revision INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES (1, 0);

-- weights, base: JSON, {"version": millionths}
CREATE TABLE live (
    service TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    weights TEXT NOT NULL,
    base TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE brakes (
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    at INTEGER NOT NULL,
    PRIMARY KEY (service, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    name TEXT NOT NULL PRIMARY KEY,
    text TEXT NOT NULL
) STRICT;

CREATE TABLE remembered (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX remembered_at ON remembered (at);

-- was, became: JSON
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    role TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    service TEXT,
    version TEXT,
    reason TEXT,
    was TEXT NOT NULL,
    became TEXT NOT NULL,
    generation INTEGER
) STRICT;
