//! The settings a server is started with: those of its file, then those of its command line.

use crate::config::broker_settings::Settings;
use crate::config::config_error::{ConfigError, Origin};
use crate::config::layers::{Layers, Overrides};
use crate::config::nearest_name::nearest_name;
use crate::config::topic_config::TopicConfig;
use toml::de::{DeArray, DeTable, DeValue};

/// Checked values of broker settings that hold until the next start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticSettings {
    values: Overrides,
}

impl StaticSettings {
    /// Adds what the text of a settings file says. `path` is for messages.
    pub fn add_toml(&mut self, path: &str, text: &str) -> Result<(), ConfigError> {
        let origin = |span: std::ops::Range<usize>| {
            let (line, column) = line_and_column(text, span.start);
            Origin::File {
                path: path.to_string(),
                line,
                column,
            }
        };
        let table = DeTable::parse(text).map_err(|error| ConfigError::Toml {
            origin: origin(error.span().unwrap_or(0..0)),
            message: error.message().trim().to_string(),
        })?;
        let mut found = Vec::new();
        flatten(table.get_ref(), "", &mut found);
        for (name, span, value) in found {
            let origin = origin(span);
            match value {
                Some(value) => self.add(&name, &value, origin)?,
                None => {
                    let message = format!("`{name}` must be text, a number, true, false or a list of these");
                    return Err(ConfigError::Toml { origin, message });
                }
            }
        }
        Ok(())
    }

    /// Adds one `key=value` of the command line.
    pub fn add_assignment(&mut self, argument: &str) -> Result<(), ConfigError> {
        let Some((name, value)) = argument.split_once('=') else {
            return Err(ConfigError::NotAnAssignment {
                argument: argument.to_string(),
            });
        };
        self.add(
            name.trim(),
            value,
            Origin::CommandLine(format!("--set {argument}")),
        )
    }

    /// Adds one setting; a later value replaces an earlier one.
    pub fn add(&mut self, name: &str, value: &str, origin: Origin) -> Result<(), ConfigError> {
        let Some(spec) = Settings::spec(name) else {
            return Err(unknown(name, origin));
        };
        let value = spec
            .normalize(value)
            .map_err(|invalid| ConfigError::Invalid { origin, invalid })?;
        self.values.insert(name.to_string(), value);
        Ok(())
    }

    /// Looks for settings that don't go together. Call after the last was added.
    pub fn check_together(&self) -> Result<(), ConfigError> {
        let none = Overrides::new();
        let settings = Layers {
            node: &none,
            default: &none,
            fixed: self,
        }
        .settings();
        if settings.group_min_session_timeout_ms > settings.group_max_session_timeout_ms {
            return Err(ConfigError::Conflict {
                message: format!(
                    "group.min.session.timeout.ms ({}) is larger than group.max.session.timeout.ms ({})",
                    settings.group_min_session_timeout_ms, settings.group_max_session_timeout_ms
                ),
            });
        }
        if settings.log_cleaner_min_compaction_lag_ms > settings.log_cleaner_max_compaction_lag_ms {
            return Err(ConfigError::Conflict {
                message: format!(
                    "log.cleaner.min.compaction.lag.ms ({}) is larger than log.cleaner.max.compaction.lag.ms ({})",
                    settings.log_cleaner_min_compaction_lag_ms, settings.log_cleaner_max_compaction_lag_ms
                ),
            });
        }
        if settings.listen.is_empty() {
            return Err(ConfigError::Conflict {
                message: "listen is empty: name at least one HOST:PORT, for example localhost:9092"
                    .to_string(),
            });
        }
        Ok(())
    }

    /// The value of a setting, if it was set.
    pub fn get(&self, name: &str) -> Option<&String> {
        self.values.get(name)
    }

    /// The settings as they hold before any admin request changed one.
    pub fn settings(&self) -> Settings {
        let none = Overrides::new();
        Layers {
            node: &none,
            default: &none,
            fixed: self,
        }
        .settings()
    }

    /// Of values that were checked before.
    #[cfg(test)]
    pub(in crate::config) fn from_checked(values: Overrides) -> StaticSettings {
        StaticSettings { values }
    }
}

fn unknown(name: &str, origin: Origin) -> ConfigError {
    if let Some(topic) = TopicConfig::spec(name) {
        let broker_name = topic.synonyms[0].name;
        return ConfigError::TopicOnly {
            origin,
            name: name.to_string(),
            broker_name,
        };
    }
    let nearest = nearest_name(name, Settings::SPECS.iter().map(|spec| spec.name));
    ConfigError::Unknown {
        origin,
        name: name.to_string(),
        nearest,
    }
}

type Found = (String, std::ops::Range<usize>, Option<String>);

/// All values with their names, tables and dots joined. `None` for what no setting can be.
fn flatten(table: &DeTable<'_>, prefix: &str, found: &mut Vec<Found>) {
    for (key, value) in table {
        let name = if prefix.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{prefix}.{}", key.get_ref())
        };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(inner, &name, found),
            DeValue::Array(items) => found.push((name, key.span(), list(items))),
            single => found.push((name, key.span(), scalar(single))),
        }
    }
}

fn list(items: &DeArray<'_>) -> Option<String> {
    let items: Option<Vec<String>> = items.iter().map(|item| scalar(item.get_ref())).collect();
    Some(items?.join(","))
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        // The digits as written, so that a hexadecimal number is refused by the setting, by name.
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .map(|number| number.to_string()),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        DeValue::Boolean(truth) => Some(truth.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// Both from 1.
fn line_and_column(text: &str, position: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(position.min(text.len()))];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[(&str, &str)], &str>) {
        let mut settings = StaticSettings::default();
        let outcome = settings.add_toml("c.toml", text);
        match expected {
            Ok(values) => {
                outcome.expect("fine");
                let found: Vec<_> = settings
                    .values
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str()))
                    .collect();
                assert_eq!(found, values);
            }
            Err(message) => assert_eq!(outcome.expect_err("must be refused").to_string(), message),
        }
    }

    #[test]
    fn keys_may_be_dotted_quoted_or_in_tables() {
        let both = [("log.retention.ms", "5"), ("num.partitions", "4")];
        check("num.partitions = 4\nlog.retention.ms = 5", Ok(&both));
        check("\"num.partitions\" = \"4\"\n[log.retention]\nms = 5", Ok(&both));
        check(
            "[num]\npartitions = 0x4\n[log]\nretention = { ms = 5 }",
            Ok(&both),
        );
        check(
            "listen = ['a:1', '[::]:2']\nauto.create.topics.enable = false\nlog.cleaner.min.cleanable.ratio = 0.25",
            Ok(&[
                ("auto.create.topics.enable", "false"),
                ("listen", "a:1,[::]:2"),
                ("log.cleaner.min.cleanable.ratio", "0.25"),
            ]),
        );
        check("max.connections = 1_000", Ok(&[("max.connections", "1000")]));
    }

    #[test]
    fn faults_are_named_with_their_place() {
        check(
            "\nnum.partition = 4",
            Err("c.toml:2:5: there is no setting `num.partition`; did you mean `num.partitions`?"),
        );
        check(
            "zookeeper.connect = 'x'",
            Err("c.toml:1:11: there is no setting `zookeeper.connect`; config/corelane.toml lists them all"),
        );
        check(
            "retention.ms = 4",
            Err(
                "c.toml:1:11: `retention.ms` is a setting of topics; the default for all topics is `log.retention.ms`",
            ),
        );
        check(
            "num.partitions = 0",
            Err(
                "c.toml:1:5: Invalid value 0 for configuration num.partitions: must be a whole number (32 bits), at least 1",
            ),
        );
        check(
            "durability = 'sometimes'",
            Err(
                "c.toml:1:1: Invalid value sometimes for configuration durability: must be one of: durable, relaxed",
            ),
        );
        check(
            "shards = 2024-01-01",
            Err(
                "c.toml:1:1: not valid TOML: `shards` must be text, a number, true, false or a list of these",
            ),
        );
        let mut settings = StaticSettings::default();
        let broken = settings
            .add_toml("c.toml", "shards = 2\nlisten = 'a:1\n")
            .expect_err("no TOML")
            .to_string();
        assert!(broken.starts_with("c.toml:2:"), "{broken}");
    }

    #[test]
    fn the_command_line_wins_and_is_named_in_faults() {
        let mut settings = StaticSettings::default();
        settings.add_toml("c.toml", "num.partitions = 4").expect("fine");
        settings.add_assignment("num.partitions=6").expect("fine");
        assert_eq!(settings.settings().num_partitions, 6);
        let wrong = |argument: &str| {
            StaticSettings::default()
                .add_assignment(argument)
                .expect_err("wrong")
                .to_string()
        };
        assert_eq!(
            wrong("shards"),
            "--set shards: write --set key=value, for example --set num.partitions=4"
        );
        assert_eq!(
            wrong("shards=0"),
            "--set shards=0: Invalid value 0 for configuration shards: must be a whole number (32 bits), from 1 to 1000"
        );
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let mut settings = StaticSettings::default();
        settings
            .add_assignment("group.min.session.timeout.ms=20")
            .expect("fine alone");
        settings
            .add_assignment("group.max.session.timeout.ms=10")
            .expect("fine alone");
        let conflict = settings.check_together().expect_err("a conflict").to_string();
        assert!(
            conflict.contains("group.min.session.timeout.ms (20)"),
            "{conflict}"
        );
    }
}
