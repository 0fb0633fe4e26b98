//! Settings as DescribeConfigs shows them.

use crate::config::accepted_names;
use crate::config::broker_settings::Settings;
use crate::config::layers::{Layers, Overrides};
use crate::config::setting_spec::{SettingSpec, Update, ValueKind};
use crate::config::topic_config::TopicConfig;

/// Where a value is from (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An admin request set it on the topic.
    DynamicTopic,
    /// An admin request set it on the node.
    DynamicBroker,
    /// An admin request set it for all nodes.
    DynamicDefaultBroker,
    /// The settings file or the command line.
    StaticBroker,
    /// Nobody set it.
    Default,
}

impl Source {
    /// The code in DescribeConfigs.
    pub fn code(self) -> i8 {
        match self {
            Source::DynamicTopic => 1,
            Source::DynamicBroker => 2,
            Source::DynamicDefaultBroker => 3,
            Source::StaticBroker => 4,
            Source::Default => 5,
        }
    }
}

/// One of the values that stand behind a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingSynonym {
    /// The setting it was given to.
    pub name: &'static str,
    /// The value.
    pub value: Option<String>,
    /// Where it is from.
    pub source: Source,
}

/// A setting with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedSetting {
    /// Its name.
    pub name: &'static str,
    /// The value that holds. `None` where it has none, and where it must not be shown.
    pub value: Option<String>,
    /// Where that is from.
    pub source: Source,
    /// Whether admin requests can't change it.
    pub read_only: bool,
    /// Whether its value is never shown.
    pub sensitive: bool,
    /// Its type.
    pub kind: ValueKind,
    /// Help.
    pub documentation: String,
    /// Every value that was given, the one that holds first.
    pub synonyms: Vec<SettingSynonym>,
}

impl Layers<'_> {
    /// All configs of a topic that has these of its own, in the order of their declarations.
    pub fn describe_topic(&self, topic: &Overrides) -> Vec<DescribedSetting> {
        TopicConfig::SPECS
            .iter()
            .map(|spec| {
                let mut synonyms = Vec::new();
                if let Some(value) = topic.get(spec.name) {
                    synonyms.push(synonym(spec, value, Source::DynamicTopic));
                }
                for stand_in in spec.synonyms {
                    let broker = Settings::spec(stand_in.name).expect("tested: synonyms are settings");
                    synonyms.extend(self.given(broker));
                }
                let (value, source) = match self.topic_value(spec, topic) {
                    Some((value, source)) => (Some(value.into_owned()), source),
                    None => (None, Source::Default),
                };
                described(spec, value, source, synonyms)
            })
            .collect()
    }

    /// All settings of the node, in the order of their declarations, then what was accepted without effect.
    pub fn describe_broker(&self) -> Vec<DescribedSetting> {
        let declared = Settings::SPECS.iter().map(|spec| {
            let (value, source) = match self.broker_value(spec) {
                Some((value, source)) => (Some(value.to_string()), source),
                None => (None, Source::Default),
            };
            described(spec, value, source, self.given(spec))
        });
        let accepted = accepted_names::ACCEPTED.iter().filter_map(|spec| {
            let (value, source) = self.values(spec.name).next()?;
            Some(described(spec, Some(value.to_string()), source, self.given(spec)))
        });
        declared.chain(accepted).collect()
    }

    /// What admin requests set for all nodes, as DescribeConfigs of the broker with the empty name shows it.
    pub fn describe_broker_default(&self) -> Vec<DescribedSetting> {
        Settings::SPECS
            .iter()
            .chain(accepted_names::ACCEPTED)
            .filter_map(|spec| {
                let value = self.default.get(spec.name)?;
                let synonyms = vec![synonym(spec, value, Source::DynamicDefaultBroker)];
                Some(described(
                    spec,
                    Some(value.clone()),
                    Source::DynamicDefaultBroker,
                    synonyms,
                ))
            })
            .collect()
    }

    /// The values given to a broker setting, and its default behind them.
    fn given(&self, spec: &'static SettingSpec) -> Vec<SettingSynonym> {
        self.values(spec.name)
            .chain(spec.default.map(|default| (default, Source::Default)))
            .map(|(value, source)| synonym(spec, value, source))
            .collect()
    }
}

fn synonym(spec: &'static SettingSpec, value: &str, source: Source) -> SettingSynonym {
    let value = (!spec.sensitive).then(|| value.to_string());
    SettingSynonym {
        name: spec.name,
        value,
        source,
    }
}

fn described(
    spec: &'static SettingSpec,
    value: Option<String>,
    source: Source,
    synonyms: Vec<SettingSynonym>,
) -> DescribedSetting {
    DescribedSetting {
        name: spec.name,
        value: if spec.sensitive { None } else { value },
        source,
        read_only: spec.update == Update::Restart,
        sensitive: spec.sensitive,
        kind: spec.kind,
        documentation: spec.help(),
        synonyms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::StaticSettings;

    #[test]
    fn a_topic_config_shows_every_value_behind_it() {
        let pair = |name: &str, value: &str| Overrides::from([(name.to_string(), value.to_string())]);
        let node = Overrides::new();
        let default = pair("log.retention.ms", "5");
        let fixed = StaticSettings::from_checked(pair("log.retention.minutes", "7"));
        let topic = pair("retention.ms", "9");
        let all = Layers {
            node: &node,
            default: &default,
            fixed: &fixed,
        }
        .describe_topic(&topic);
        let retention = all
            .iter()
            .find(|setting| setting.name == "retention.ms")
            .expect("declared");
        assert_eq!(
            (retention.value.as_deref(), retention.source),
            (Some("9"), Source::DynamicTopic)
        );
        let behind: Vec<_> = retention
            .synonyms
            .iter()
            .map(|s| (s.name, s.value.as_deref().unwrap_or(""), s.source))
            .collect();
        assert_eq!(
            behind,
            [
                ("retention.ms", "9", Source::DynamicTopic),
                ("log.retention.ms", "5", Source::DynamicDefaultBroker),
                ("log.retention.minutes", "7", Source::StaticBroker),
                ("log.retention.hours", "168", Source::Default),
            ]
        );
        assert_eq!(all.len(), TopicConfig::SPECS.len());
    }
}
