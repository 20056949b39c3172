-- Which process reads the outbox for a webhook, and until when.
ALTER TABLE registry_cursors ADD COLUMN owner TEXT;
ALTER TABLE registry_cursors ADD COLUMN leased_until INTEGER NOT NULL DEFAULT 0;
