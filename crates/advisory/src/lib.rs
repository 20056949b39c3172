//! What is known to be wrong: feeds, the compiled database, version orders, matching, findings.
