-- Whether a repository has ever had a manifest. One whose manifests were all deleted has an empty list of tags, as the
-- distribution specification's conformance program asks; one that only got blobs is not there.
ALTER TABLE registry_repositories ADD COLUMN had_manifests INTEGER NOT NULL DEFAULT 0;
UPDATE registry_repositories SET had_manifests = 1
    WHERE EXISTS (SELECT 1 FROM registry_manifests AS m WHERE m.repository_id = registry_repositories.id);
