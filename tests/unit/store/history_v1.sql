-- A history as version 1 of its form left it: two conversations, one of them deleted, an answer in two versions with
-- everything that is kept of it, one that failed and one that was cut off by a kill. Never edit: files like it exist.
CREATE TABLE conversations (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, leaf_id TEXT,
    titled INTEGER NOT NULL DEFAULT 0, thinking TEXT NOT NULL DEFAULT 'auto', system_prompt TEXT NOT NULL DEFAULT '',
    pinned INTEGER NOT NULL DEFAULT 0, deleted_at REAL
);
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent_id TEXT, role TEXT NOT NULL, parts TEXT NOT NULL, created REAL NOT NULL,
    status TEXT NOT NULL DEFAULT 'done', finish_reason TEXT, provenance TEXT, stats TEXT, problem TEXT, context_cut TEXT
);
CREATE INDEX conversations_list ON conversations (pinned, updated) WHERE deleted_at IS NULL;
CREATE INDEX messages_tree ON messages (conversation_id, parent_id, seq);
CREATE INDEX messages_parent ON messages (parent_id, seq);
CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming';
INSERT INTO conversations VALUES ('c1', 'Water', 100.0, 160.0, 'm6', 1, 'think', 'Be brief.', 0, NULL);
INSERT INTO conversations VALUES ('c2', 'Gone', 90.0, 90.0, NULL, 0, 'auto', '', 0, 200.0);
INSERT INTO messages VALUES (1, 'm1', 'c1', NULL, 'user', '[{"type":"text","text":"What is water? 水"}]', 100.0, 'done', NULL, NULL, NULL, NULL, NULL);
INSERT INTO messages VALUES (2, 'm2', 'c1', 'm1', 'assistant', '[{"type":"thinking","text":"Easy.","seconds":0.5,"tokens":3},{"type":"text","text":"H2O"}]', 101.0, 'done', 'stop', '{"model_path":"/models/q.gguf","model_name":"Qwen3 0.6B","model_sha256":"aa","template_sha256":"bb","sampling":{"temperature":0.6,"top_p":0.95,"top_k":20,"min_p":0.0,"presence_penalty":null,"repeat_penalty":null,"seed":null},"seed":11,"thinking":"think","engine":"llama.cpp b1","settings":{"context":4096},"guide":false}', '{"prompt_tokens":12,"cached_tokens":0,"completion_tokens":6,"thinking_tokens":3,"ttft_s":0.1,"prompt_tokens_per_s":100.0,"decode_tokens_per_s":50.0,"load_s":1.0,"memory_bytes":1000,"thinking_s":0.5,"context_used":18,"context_size":4096}', NULL, NULL);
INSERT INTO messages VALUES (3, 'm3', 'c1', 'm1', 'assistant', '[{"type":"text","text":"A liquid."}]', 120.0, 'done', 'length', NULL, NULL, NULL, NULL);
INSERT INTO messages VALUES (4, 'm4', 'c1', 'm3', 'user', '[{"type":"text","text":"More"}]', 130.0, 'done', NULL, NULL, NULL, NULL, NULL);
INSERT INTO messages VALUES (5, 'm5', 'c1', 'm4', 'assistant', '[{"type":"text","text":"It"}]', 131.0, 'failed', 'error', NULL, NULL, '{"kind":"environment","what":{"code":"engine.died","source":"The engine ended ({signal}).","params":{"signal":"SIGSEGV"}},"hint":null,"details":"","action":"retry"}', 'm4');
INSERT INTO messages VALUES (6, 'm6', 'c1', 'm4', 'assistant', '[{"type":"text","text":"It is we"}]', 160.0, 'streaming', NULL, NULL, NULL, NULL, NULL);
PRAGMA user_version = 1;
