-- A store as schema 1 made it (its full-text index left out, which is a cache): later versions must open it.
PRAGMA application_id = 1835363699;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'memstore','0001_first_schema','2026-11-21 13:02:09.538000+00:00');
CREATE TABLE clock (row INTEGER PRIMARY KEY CHECK (row = 0), last INTEGER NOT NULL);
INSERT INTO "clock" VALUES(0,1772452800000000);
CREATE TABLE copies (pk INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL);
CREATE TABLE dependencies (
    fact INTEGER NOT NULL REFERENCES facts,
    premise INTEGER NOT NULL REFERENCES facts,
    PRIMARY KEY (fact, premise)
) WITHOUT ROWID;
INSERT INTO "dependencies" VALUES(4,1);
CREATE TABLE erasures (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes,
    at INTEGER NOT NULL,
    events TEXT NOT NULL,
    facts TEXT NOT NULL,
    pending INTEGER NOT NULL
);
INSERT INTO "erasures" VALUES(1,'x_01kjq6psg011t7mtv6',1,1772452800000000,'[]','["f_01kjq6psg08a2e21jv"]',0);
CREATE TABLE events (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session INTEGER NOT NULL REFERENCES sessions,
    ref TEXT,
    role TEXT NOT NULL,
    origin TEXT NOT NULL,
    at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    sha256 BLOB,
    forgotten_at INTEGER -- when some or all of the words were blanked
);
INSERT INTO "events" VALUES(1,'e_01kjmma2g00zv6efn0',1,'1','user','user',1772366400000000,1772366400000000,'We chose Redis. It may be slow.',X'E202FCD6C272F77927DE3185D807336B0923C925F315081643532D8FC3727E7C',NULL);
INSERT INTO "events" VALUES(2,'e_01kjq6psg0abz4p7yd',2,NULL,'user','user',1772452800000000,1772452800000000,'We chose Valkey.',X'73500E047515884F4454A941A0FC2427A7325213C317B7A9069E7D2BB97B8FBA',NULL);
INSERT INTO "events" VALUES(3,'e_01kjq6psg0fka7c614',2,NULL,'user','user',1772452800000000,1772452800000000,'Perhaps Postgres.',X'B8FDFDF228808111F5B887F16264A1AEA49FE4FC99CF59072869FB71938052E1',NULL);
INSERT INTO "events" VALUES(4,'e_01kjq6psg08a2e21jt',2,NULL,'user','user',1772452800000000,1772452800000000,'█████████████',X'4B39BA84A53733DB72D20EB09D06C1A136616DF887BB5D272D82D74EA2424810',1772452800000000);
CREATE TABLE extractors (pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "extractors" VALUES(1,'remember/1');
CREATE TABLE facts (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes,
    key TEXT,
    text TEXT NOT NULL,
    modality TEXT NOT NULL
        CHECK (modality IN ('decision', 'option_considered', 'hypothesis', 'question', 'observation')),
    kind TEXT NOT NULL CHECK (kind IN ('user', 'feedback', 'project', 'reference')),
    origin TEXT NOT NULL CHECK (origin IN ('user', 'assistant', 'tool', 'document', 'system')),
    said_at INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_to INTEGER,
    ttl INTEGER,
    probability REAL NOT NULL,
    context TEXT, -- JSON: what the words need to stand alone (speaker, section, antecedent …)
    digest INTEGER,
    seal INTEGER NOT NULL,
    key_seal INTEGER,
    state INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER
);
INSERT INTO "facts" VALUES(1,'f_01kjmma2g0f0v8rv1d',1,'storage','We chose Redis.','decision','project','user',1772366400000000,1772366400000000,1772366400000000,NULL,NULL,1.0,NULL,-3008303401263667836,-8265788157895393,1809449828325466765,2,NULL);
INSERT INTO "facts" VALUES(2,'f_01kjq6psg0abz4p7ye',1,'storage','We chose Valkey.','decision','project','user',1772452800000000,1772452800000000,1772452800000000,NULL,NULL,1.0,NULL,-1043902583646563183,7469743435246577899,6968371997940193215,0,NULL);
INSERT INTO "facts" VALUES(3,'f_01kjq6psg0fka7c615',1,'storage','Perhaps Postgres.','hypothesis','project','user',1772452800000000,1772452800000000,1772452800000000,NULL,1814400000000,1.0,NULL,136844561631390374,5507694752785960106,-3541741961884846903,0,1774267200000000);
INSERT INTO "facts" VALUES(4,'f_01kjq6psg06c4rrs80',1,NULL,'It may be slow.','hypothesis','project','user',1772366400000000,1772452800000000,1772366400000000,NULL,1814400000000,1.0,NULL,1006508751268339935,-5462147159439928588,NULL,0,1774180800000000);
INSERT INTO "facts" VALUES(5,'f_01kjq6psg08a2e21jv',1,NULL,'','decision','project','user',1772452800000000,1772452800000000,1772452800000000,NULL,NULL,1.0,NULL,NULL,4691991532099284035,NULL,4,NULL);
CREATE TABLE involved (
    fact INTEGER NOT NULL REFERENCES facts,
    transition INTEGER NOT NULL REFERENCES transitions,
    side TEXT NOT NULL CHECK (side IN ('old', 'new')),
    PRIMARY KEY (fact, transition, side)
) WITHOUT ROWID;
INSERT INTO "involved" VALUES(1,1,'old');
INSERT INTO "involved" VALUES(2,1,'new');
INSERT INTO "involved" VALUES(2,2,'old');
INSERT INTO "involved" VALUES(3,2,'new');
INSERT INTO "involved" VALUES(4,3,'old');
INSERT INTO "involved" VALUES(4,4,'old');
INSERT INTO "involved" VALUES(2,5,'old');
INSERT INTO "involved" VALUES(4,5,'new');
INSERT INTO "involved" VALUES(5,6,'old');
CREATE TABLE pending (event INTEGER PRIMARY KEY REFERENCES events);
INSERT INTO "pending" VALUES(1);
CREATE TABLE provenance (
    fact INTEGER NOT NULL REFERENCES facts,
    event INTEGER NOT NULL REFERENCES events,
    start INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    extractor INTEGER NOT NULL REFERENCES extractors,
    since INTEGER REFERENCES transitions,
    PRIMARY KEY (fact, event, start, stop)
) WITHOUT ROWID;
INSERT INTO "provenance" VALUES(1,1,0,15,1,NULL);
INSERT INTO "provenance" VALUES(2,2,0,16,1,NULL);
INSERT INTO "provenance" VALUES(3,3,0,17,1,NULL);
INSERT INTO "provenance" VALUES(4,1,16,31,1,NULL);
INSERT INTO "provenance" VALUES(5,4,0,13,1,NULL);
CREATE TABLE scopes (pk INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
INSERT INTO "scopes" VALUES(1,'default');
CREATE TABLE sessions (
    pk INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL REFERENCES scopes,
    name TEXT NOT NULL,
    UNIQUE (scope, name)
);
INSERT INTO "sessions" VALUES(1,1,'s1');
INSERT INTO "sessions" VALUES(2,1,'remember');
CREATE TABLE transitions (
    pk INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    scope INTEGER NOT NULL REFERENCES scopes,
    change TEXT NOT NULL CHECK (change IN ('superseded', 'amended', 'retracted', 'confirmed', 'flagged',
                                           'revalidated', 'reverted', 'forgotten')),
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    event INTEGER REFERENCES events,
    target INTEGER REFERENCES transitions,
    refusal TEXT,
    effective INTEGER NOT NULL DEFAULT 1
);
INSERT INTO "transitions" VALUES(1,'t_01kjq6psg0abz4p7yf',1,'superseded',1772452800000000,'said again under the key ''storage''',2,NULL,NULL,1);
INSERT INTO "transitions" VALUES(2,'t_01kjq6psg0fka7c616',1,'superseded',1772452800000000,'said again under the key ''storage''',3,NULL,'a hypothesis may not supersede a decision',0);
INSERT INTO "transitions" VALUES(3,'t_01kjq6psg007f0vt11',1,'flagged',1772452800000000,'measured',NULL,NULL,NULL,0);
INSERT INTO "transitions" VALUES(4,'t_01kjq6psg08qvpephw',1,'reverted',1772452800000000,'measured wrongly',NULL,3,NULL,1);
INSERT INTO "transitions" VALUES(5,'t_01kjq6psg0n1tvyfqp',1,'amended',1772452800000000,'a detail',NULL,NULL,NULL,1);
INSERT INTO "transitions" VALUES(6,'t_01kjq6psg011t7mtv5',1,'forgotten',1772452800000000,'asked to forget',NULL,NULL,NULL,1);
CREATE TABLE usage (
    pk INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    scope INTEGER REFERENCES scopes,
    purpose TEXT NOT NULL,
    model TEXT NOT NULL,
    counter TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd REAL,
    price_date TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX events_by_session ON events (session);
CREATE UNIQUE INDEX events_by_ref ON events (session, ref) WHERE ref IS NOT NULL;
CREATE UNIQUE INDEX events_by_content ON events (session, at, role, sha256) WHERE ref IS NULL AND forgotten_at IS NULL;
CREATE INDEX facts_by_key ON facts (scope, key) WHERE key IS NOT NULL;
CREATE INDEX facts_by_digest ON facts (digest) WHERE state < 2;
CREATE INDEX facts_in_doubt ON facts (scope) WHERE state = 1;
CREATE INDEX provenance_by_event ON provenance (event);
CREATE INDEX transitions_by_target ON transitions (target) WHERE target IS NOT NULL;
CREATE INDEX involved_by_transition ON involved (transition);
CREATE INDEX dependencies_by_premise ON dependencies (premise);
CREATE INDEX erasures_pending ON erasures (pk) WHERE pending = 1;
COMMIT;
