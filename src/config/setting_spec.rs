//! What is declared of one setting, and the check of a value against it.

use crate::config::config_error::InvalidSetting;

/// Whose setting it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Of a server, or of the whole cluster.
    Broker,
    /// Of a topic.
    Topic,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Only a restart of the server brings it; admin requests that set it are refused, as Kafka's read-only settings.
    Restart,
    /// At once, through IncrementalAlterConfigs or AlterConfigs.
    Dynamic,
}

/// The type of a value, as DescribeConfigs tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32-bit whole number.
    Int,
    /// 64-bit whole number.
    Long,
    /// Floating point number.
    Double,
    /// Texts separated by commas.
    List,
}

impl ValueKind {
    /// The code of the type in DescribeConfigs (KIP-569).
    pub fn code(self) -> i8 {
        match self {
            ValueKind::Boolean => 1,
            ValueKind::String => 2,
            ValueKind::Int => 3,
            ValueKind::Long => 5,
            ValueKind::Double => 6,
            ValueKind::List => 7,
        }
    }

    /// The type in words.
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Boolean => "true or false",
            ValueKind::String => "text",
            ValueKind::Int => "whole number (32 bits)",
            ValueKind::Long => "whole number (64 bits)",
            ValueKind::Double => "number",
            ValueKind::List => "list",
        }
    }
}

/// Which values of the type are allowed.
#[derive(Clone, Copy, Debug)]
pub enum Allowed {
    /// All of the type.
    Any,
    /// Numbers from this one on.
    AtLeast(i64),
    /// Numbers from the first to the second, both included.
    Between(i64, i64),
    /// -1, or numbers from the first to the second.
    MinusOneOrBetween(i64, i64),
    /// Floating point numbers from the first to the second, both included.
    RatioBetween(f64, f64),
    /// These texts.
    OneOf(&'static [&'static str]),
    /// Lists of these texts.
    ListOf(&'static [&'static str]),
    /// What the function accepts, and how to say it.
    Checked(fn(&str) -> bool, &'static str),
}

impl Allowed {
    /// What is allowed, for a person. Empty when the type says it all.
    pub fn describe(&self) -> String {
        match self {
            Allowed::Any => String::new(),
            Allowed::AtLeast(min) => format!("at least {min}"),
            Allowed::Between(min, max) => format!("from {min} to {max}"),
            Allowed::MinusOneOrBetween(min, max) => format!("-1, or from {min} to {max}"),
            Allowed::RatioBetween(min, max) => format!("from {min} to {max}"),
            Allowed::OneOf(choices) => format!("one of: {}", choices.join(", ")),
            Allowed::ListOf(choices) => format!("a list of: {}", choices.join(", ")),
            Allowed::Checked(_, words) => (*words).to_string(),
        }
    }
}

/// A broker setting that gives a topic config its value where the topic has none of its own.
#[derive(Clone, Copy, Debug)]
pub struct Synonym {
    /// The broker setting's name.
    pub name: &'static str,
    /// What its value is multiplied with: hours to milliseconds, for example.
    pub factor: i64,
}

/// The one declaration of a setting.
#[derive(Debug)]
pub struct SettingSpec {
    /// Its name: Kafka's where Kafka has the setting.
    pub name: &'static str,
    /// Type of the value.
    pub kind: ValueKind,
    /// Value where nothing else gives one. `None`: no value at all, which is Kafka's null.
    pub default: Option<&'static str>,
    /// Which values of the type are allowed.
    pub allowed: Allowed,
    /// Help in one or more lines.
    pub doc: &'static str,
    /// Whose setting it is.
    pub scope: Scope,
    /// When a change takes effect.
    pub update: Update,
    /// Whether the value must never be shown.
    pub sensitive: bool,
    /// Broker settings that stand in, the first that has a value wins. Only for topic configs.
    pub synonyms: &'static [Synonym],
}

impl SettingSpec {
    /// The help in one paragraph.
    pub fn help(&self) -> String {
        self.doc.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Type and bounds in words.
    pub fn expected(&self) -> String {
        match self.allowed.describe() {
            words if words.is_empty() => self.kind.name().to_string(),
            words if matches!(self.kind, ValueKind::Int | ValueKind::Long | ValueKind::Double) => {
                format!("{}, {words}", self.kind.name())
            }
            words => words,
        }
    }

    /// Checks a value and brings it into its one form (no blanks around it, numbers without a plus sign, ...).
    pub fn normalize(&self, value: &str) -> Result<String, InvalidSetting> {
        let invalid = || InvalidSetting {
            name: self.name.to_string(),
            value: value.to_string(),
            allowed: self.expected(),
        };
        let text = value.trim();
        let (normal, fits) = match self.kind {
            ValueKind::Boolean => {
                let normal = text.to_ascii_lowercase();
                let fits = normal == "true" || normal == "false";
                (normal, fits)
            }
            ValueKind::String => {
                let fits = match self.allowed {
                    Allowed::OneOf(choices) => choices.contains(&text),
                    Allowed::Checked(check, _) => check(text),
                    _ => true,
                };
                (text.to_string(), fits)
            }
            ValueKind::Int => {
                let number: i32 = text.parse().map_err(|_| invalid())?;
                (number.to_string(), self.allows_number(i64::from(number)))
            }
            ValueKind::Long => {
                let number: i64 = text.parse().map_err(|_| invalid())?;
                (number.to_string(), self.allows_number(number))
            }
            ValueKind::Double => {
                let number: f64 = text.parse().map_err(|_| invalid())?;
                let fits = match self.allowed {
                    Allowed::RatioBetween(min, max) => (min..=max).contains(&number),
                    _ => number.is_finite(),
                };
                (number.to_string(), fits)
            }
            ValueKind::List => {
                let items: Vec<&str> = split_list(text);
                let mut normal: Vec<&str> = Vec::new();
                for item in items {
                    let fits = match self.allowed {
                        Allowed::ListOf(choices) => choices.contains(&item),
                        Allowed::Checked(check, _) => check(item),
                        _ => !item.is_empty(),
                    };
                    if !fits {
                        return Err(invalid());
                    }
                    if !normal.contains(&item) {
                        normal.push(item);
                    }
                }
                (normal.join(","), true)
            }
        };
        if fits { Ok(normal) } else { Err(invalid()) }
    }

    fn allows_number(&self, number: i64) -> bool {
        match self.allowed {
            Allowed::AtLeast(min) => number >= min,
            Allowed::Between(min, max) => (min..=max).contains(&number),
            Allowed::MinusOneOrBetween(min, max) => number == -1 || (min..=max).contains(&number),
            _ => true,
        }
    }
}

/// The items of a list value; an empty value has none.
pub fn split_list(value: &str) -> Vec<&str> {
    if value.trim().is_empty() {
        Vec::new()
    } else {
        value.split(',').map(str::trim).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::topic_config::TopicConfig;

    #[track_caller]
    fn check(name: &str, value: &str, normal: Option<&str>) {
        let spec = TopicConfig::spec(name).expect("a topic config");
        assert_eq!(
            spec.normalize(value).ok().as_deref(),
            normal,
            "{name} = {value:?}"
        );
    }

    /// Each of these was tried on Apache Kafka 4.3 (`LogConfig.validate`); the answers are the same.
    #[test]
    fn values_are_accepted_and_refused_as_kafka_does() {
        check("cleanup.policy", "", Some(""));
        check("cleanup.policy", "compact,delete,compact", Some("compact,delete"));
        check("cleanup.policy", " compact , delete ", Some("compact,delete"));
        check("cleanup.policy", "foo", None);
        check("cleanup.policy", "DELETE", None);
        check("cleanup.policy", ",", None);
        check("retention.ms", "abc", None);
        check("retention.ms", " 5 ", Some("5"));
        check("retention.ms", "+7", Some("7"));
        check("retention.ms", "1e3", None);
        check("retention.ms", "-2", None);
        check("retention.ms", "", None);
        check("retention.bytes", "-5", Some("-5"));
        check("segment.bytes", "1", None);
        check("segment.bytes", "99999999999", None);
        check("segment.bytes", "0x200000", None);
        check("preallocate", "yes", None);
        check("preallocate", "TRUE", Some("true"));
        check("compression.type", "lz5", None);
        check("compression.type", "GZIP", None);
        check("compression.gzip.level", "0", None);
        check("compression.gzip.level", "-1", Some("-1"));
        check("min.cleanable.dirty.ratio", "1.5", None);
        check("min.cleanable.dirty.ratio", "0,5", None);
        check("message.timestamp.type", "createtime", None);
        check("min.insync.replicas", "0", None);
    }

    #[test]
    fn a_refusal_says_name_value_and_what_is_allowed() {
        let refused = TopicConfig::spec("retention.ms")
            .unwrap()
            .normalize("soon")
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "Invalid value soon for configuration retention.ms: must be a whole number (64 bits), at least -1"
        );
    }
}
