//! Broker settings of Kafka that admin requests may set although nothing here follows them.
//!
//! Apache Kafka accepts them on every broker, and tools that manage Kafka set them without asking. They tune
//! thread pools and libraries that a thread-per-core broker does not have. They are kept and shown, and the
//! settings file does not know them.

use crate::config::setting_spec::{Allowed, Scope, SettingSpec, Update, ValueKind};

const fn accepted(name: &'static str, kind: ValueKind, allowed: Allowed) -> SettingSpec {
    SettingSpec {
        name,
        kind,
        default: None,
        allowed,
        doc: "Accepted for the sake of Kafka's tools; it has no effect in Corelane.",
        scope: Scope::Broker,
        update: Update::Dynamic,
        sensitive: false,
        synonyms: &[],
    }
}

/// The settings.
pub static ACCEPTED: &[SettingSpec] = &[
    accepted("background.threads", ValueKind::Int, Allowed::AtLeast(1)),
    accepted(
        "log.cleaner.io.buffer.load.factor",
        ValueKind::Double,
        Allowed::Any,
    ),
    accepted("log.cleaner.io.buffer.size", ValueKind::Int, Allowed::AtLeast(0)),
    accepted("log.cleaner.threads", ValueKind::Int, Allowed::AtLeast(0)),
    accepted("num.io.threads", ValueKind::Int, Allowed::AtLeast(1)),
    accepted("num.network.threads", ValueKind::Int, Allowed::AtLeast(1)),
    accepted(
        "num.recovery.threads.per.data.dir",
        ValueKind::Int,
        Allowed::AtLeast(1),
    ),
    accepted("num.replica.fetchers", ValueKind::Int, Allowed::AtLeast(1)),
    accepted(
        "sasl.kerberos.min.time.before.relogin",
        ValueKind::Long,
        Allowed::Any,
    ),
    accepted(
        "sasl.kerberos.ticket.renew.jitter",
        ValueKind::Double,
        Allowed::Any,
    ),
    accepted(
        "sasl.kerberos.ticket.renew.window.factor",
        ValueKind::Double,
        Allowed::Any,
    ),
];

/// The setting of this name.
pub fn accepted_spec(name: &str) -> Option<&'static SettingSpec> {
    ACCEPTED.iter().find(|spec| spec.name == name)
}
