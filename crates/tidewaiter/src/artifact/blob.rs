//! `blob …`: blobs by themselves.

pub(crate) mod delete;
pub(crate) mod fetch;
pub(crate) mod push;

use tidewaiter_oci::{Descriptor, Digest, Error, Result, media_type};

use crate::artifact::failure::Outcome;
use crate::artifact::options::location::Kind;
use crate::artifact::options::target::{Opened, TargetOptions};
use crate::artifact::session::Session;

/// The digest that names a blob.
fn digest_of(session: &Session, target: &TargetOptions) -> Outcome<Digest> {
    if target.location.reference.is_empty() {
        return Err(session.missing_digest(&target.location.raw));
    }
    target.location.reference.parse().map_err(|_| session.missing_digest(&target.location.raw))
}

/// The descriptor of a blob of which the digest is known.
async fn find(target: &TargetOptions, opened: &Opened, digest: &Digest) -> Result<Descriptor> {
    match (opened, &target.location.kind) {
        (Opened::Registry(repository), _) => repository.blob_descriptor(digest).await,
        (Opened::Layout(_), Kind::Layout(path)) => {
            let file = path.join("blobs").join(digest.algorithm().as_str()).join(digest.hex());
            let size = std::fs::metadata(&file).map_err(|_| Error::not_found(digest.as_str()))?.len();
            Ok(Descriptor::new(media_type::OCTET_STREAM, digest.clone(), size))
        }
        (Opened::Layout(_), Kind::Registry(_)) => Err(Error::not_found(digest.as_str())),
    }
}
