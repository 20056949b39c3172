//! The file that names the receivers of a registry's events. A file, because headers mostly hold secrets.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tidewaiter_registry::{Webhook, WebhookFormat};

/// The wait after a first failure.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// A receiver, as the file says it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Receiver {
    name: String,
    url: String,
    #[serde(default)]
    format: Format,
    /// `repository:tag`, both optional and either with a `*` at its end.
    #[serde(default)]
    scope: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Format {
    #[default]
    Acr,
    EventGrid,
}

/// Reads the file.
pub(crate) fn read(path: &Path) -> Result<Vec<Webhook>> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("the webhooks in {shown} cannot be read"))?;
    let receivers: Vec<Receiver> =
        serde_json::from_slice(&text).with_context(|| format!("{shown} is not a list of webhooks"))?;
    for (position, receiver) in receivers.iter().enumerate() {
        if receivers[..position].iter().any(|earlier| earlier.name == receiver.name) {
            bail!("{shown} names two webhooks \"{}\"; their names must differ", receiver.name);
        }
    }
    Ok(receivers.into_iter().map(Receiver::webhook).collect())
}

impl Receiver {
    fn webhook(self) -> Webhook {
        Webhook {
            name: self.name,
            url: self.url,
            format: match self.format {
                Format::Acr => WebhookFormat::Acr,
                Format::EventGrid => WebhookFormat::EventGrid,
            },
            scope: self.scope,
            headers: self.headers.into_iter().collect(),
            retry_after: RETRY_AFTER,
        }
    }
}
