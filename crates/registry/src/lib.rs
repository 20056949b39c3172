//! The embedded registry: distribution-spec handlers over a blob store and a metadata store.
