//! What an organisation knows: settings, pipeline, jobs, images, findings, changes.
