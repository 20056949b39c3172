//! What is posted: the JSON of ACR's webhooks and of Event Grid's container registry events.

use serde_json::{Value, json};

use crate::events::{Action, Event, Origin};

/// What a post is, for Event Grid's headers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Validation,
    Notification { attempt: u32 },
}

impl Kind {
    pub(super) fn event_type(self) -> &'static str {
        match self {
            Self::Validation => "SubscriptionValidation",
            Self::Notification { .. } => "Notification",
        }
    }

    pub(super) fn attempt(self) -> u32 {
        match self {
            Self::Validation => 0,
            Self::Notification { attempt } => attempt,
        }
    }
}

fn timestamp(time: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(time).unwrap_or_default();
    format!("{time:.7}")
}

/// The same for each post of an event, so that receivers can tell repeats.
fn id(event: &Event, origin: &Origin) -> String {
    format!("{}-{}", origin.id, event.sequence)
}

/// What was pushed or deleted. Deletes name neither tag nor size.
fn target(event: &Event) -> Value {
    let mut target = json!({
        "mediaType": event.media_type,
        "digest": event.digest,
        "repository": event.repository,
    });
    if event.action == Action::Push {
        target["size"] = json!(event.size);
        target["length"] = json!(event.size);
        if let Some(tag) = &event.tag {
            target["tag"] = json!(tag);
        }
    }
    target
}

/// An event as ACR's webhooks post it.
pub(super) fn acr(event: &Event) -> Value {
    let origin = event.origin.clone().unwrap_or_default();
    json!({
        "id": id(event, &origin),
        "timestamp": timestamp(event.time),
        "action": event.action.as_str(),
        "target": target(event),
        "request": {
            "id": origin.id,
            "host": origin.host,
            "method": origin.method,
            "useragent": origin.user_agent,
        },
    })
}

/// An event as Event Grid posts it, in a list of one.
pub(super) fn event_grid(event: &Event) -> Value {
    let origin = event.origin.clone().unwrap_or_default();
    let subject = match &event.tag {
        Some(tag) => format!("{}:{tag}", event.repository),
        None => event.repository.clone(),
    };
    let event_type = match event.action {
        Action::Push => "Microsoft.ContainerRegistry.ImagePushed",
        Action::Delete | Action::Untag => "Microsoft.ContainerRegistry.ImageDeleted",
    };
    let mut data = acr(event);
    data["location"] = json!("local");
    json!([{
        "id": id(event, &origin),
        "topic": format!("/registries/{}", origin.host),
        "subject": subject,
        "eventType": event_type,
        "eventTime": timestamp(event.time),
        "data": data,
        "dataVersion": "2.0",
        "metadataVersion": "1",
    }])
}

/// Event Grid's validation event. Without a `validationUrl`, which somebody could open in the place of the receiver's
/// answer: an address of this registry that the receiver's people can reach is not known.
pub(super) fn validation(code: &str, now: i64) -> Value {
    json!([{
        "id": code,
        "topic": "/registries",
        "subject": "",
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": timestamp(now),
        "data": { "validationCode": code },
        "dataVersion": "1",
        "metadataVersion": "1",
    }])
}
